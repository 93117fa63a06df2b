"""Names by their bytes: the integers of assets, sources and tags without reading them again.

An encoding is looked up whole: a prefix of it would credit samples to wrong tags.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.codec import avro_write as write
from penstock.codec.avro_read import SeveralBlocksError, read_string, read_strings, skip_strings
from penstock.codec.checks import check_tags
from penstock.codec.joined import Cursor, Joined
from penstock.errors import DecodeError
from penstock.operator import Names

_MOST_BYTES: Final = 1 << 25
"""Of encodings remembered; then they are read anew. A session ends when its connector restarts, and
with a deadband the tags vary from event to event."""


class TagSet(NamedTuple):
    """The tags of an event."""

    encoding: bytes
    """Of the whole array, with its terminator."""
    series: NDArray[np.int32]
    """(K) ids of (asset, source, tag)."""


class Header:
    """An (asset, source, session)."""

    __slots__ = ("asset", "last", "number", "source", "stream", "tag_sets")

    def __init__(self, asset: str, source: str, number: int, stream: int) -> None:
        self.asset, self.source = asset, source
        self.number = number
        """In `KnownNames.sessions`."""
        self.stream = stream
        """Id of (asset, source)."""
        self.tag_sets: dict[bytes, TagSet] = {}
        self.last = _NO_TAGS
        """The tags of the event before."""


class KnownNames:
    """Names of one partition.

    Attributes:
        streams: Ids of (asset, source).
        series: Ids of (asset, source, tag).
        sessions: (source, session, asset) by the number of its header.
    """

    def __init__(self) -> None:
        self.streams, self.series = Names(), Names()
        self._forget()

    def _forget(self) -> None:
        self.sessions: list[tuple[str, str, str]] = []
        self._headers: dict[bytes, Header] = {}
        self._bytes = 0

    def begin(self) -> None:
        """Before a fetch: forget encodings if there are too many."""
        if self._bytes > _MOST_BYTES:
            self._forget()

    def header(self, encoding: bytes) -> Header:
        """Of the encoding of three strings, with the ids of new names.

        Raises:
            DecodeError: One is no text.
        """
        known = self._headers.get(encoding)
        if known is None:
            asset, at = read_string(encoding, 0)
            source, at = read_string(encoding, at)
            session, _ = read_string(encoding, at)
            known = Header(asset, source, len(self.sessions), self.streams.id((asset, source)))
            self.sessions.append((source, session, asset))
            self._headers[encoding] = known
            self._bytes += len(encoding)
        return known

    def tag_set(self, header: Header, encoding: bytes) -> TagSet:
        """Of the encoding of an array of one block, with the ids of new names.

        Raises:
            DecodeError: A string is no text, or comes twice.
        """
        known = header.tag_sets.get(encoding)
        if known is None:
            tags, _ = read_strings(encoding, 0)
            check_tags(tags)
            known = header.tag_sets[encoding] = self._tag_set(header, encoding, tags)
            self._bytes += len(encoding)
        header.last = known
        return known

    def _tag_set(self, header: Header, encoding: bytes, tags: Sequence[str]) -> TagSet:
        ids = [self.series.id((header.asset, header.source, tag)) for tag in tags]
        return TagSet(encoding, np.array(ids, np.int32))

    def names(
        self, asset: str, source: str, session: str, tags: Sequence[str]
    ) -> tuple[Header, TagSet]:
        """Of names that were read and checked elsewhere."""
        header = self.header(b"".join(map(write.string, (asset, source, session))))
        return header, self.tag_set(header, write.strings(tags))

    def headers(self, joined: Joined, cursor: Cursor) -> list[Header]:
        """The header of each message, where the cursor is fine; it is moved behind them."""
        first = cursor.at
        for _ in range(3):
            cursor.string()
        cursor.fine &= cursor.at <= joined.end
        last = np.where(cursor.fine, cursor.at, first)
        data, known = joined.data, self._headers
        found = [
            known.get(data[begin:end])
            for begin, end in zip(first.tolist(), last.tolist(), strict=True)
        ]
        if None not in found:
            return found  # type: ignore[return-value]  # none is None
        return [
            header or self._new_header(cursor, i, data[first[i] : last[i]])
            for i, header in enumerate(found)
        ]

    def _new_header(self, cursor: Cursor, i: int, encoding: bytes) -> Header:
        if cursor.fine[i]:
            try:
                return self.header(encoding)
            except DecodeError:
                cursor.fine[i] = False
        return _NO_HEADER

    def tag_sets(self, joined: Joined, cursor: Cursor, headers: Sequence[Header]) -> list[TagSet]:
        """The tags of each message, where the cursor is fine; it is moved behind them."""
        data = joined.data
        sets: list[TagSet | None] = []
        places = zip(cursor.at.tolist(), joined.end.tolist(), cursor.fine.tolist(), strict=True)
        for header, (begin, end, fine) in zip(headers, places, strict=True):
            known: TagSet | None = header.last
            if not data.startswith(header.last.encoding, begin):
                known = self._find(header, data[begin:end]) if fine else None
            sets.append(known)
        cursor.fine &= np.array([known is not None for known in sets], np.bool_)
        found = [known or _NO_TAGS for known in sets]
        cursor.move(np.array([len(known.encoding) for known in found], np.int64))
        return found

    def _find(self, header: Header, rest: bytes) -> TagSet | None:
        """The tags that a message goes on with, if they can be read so."""
        try:
            return self.tag_set(header, rest[: skip_strings(rest, 0)])
        except (DecodeError, IndexError, SeveralBlocksError):
            return None


_NO_TAGS: Final = TagSet(b"\0", np.zeros(0, np.int32))
_NO_HEADER: Final = Header("", "", 0, 0)
