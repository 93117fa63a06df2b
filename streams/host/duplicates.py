"""Recognises records that were seen before, by (source, session, asset, sequence)."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError

MAX_RANGES: Final = 64
"""Ranges kept of a session; a sequence below the lowest, once some were forgotten, is too old."""
MAX_SESSIONS: Final = 8
"""Sessions kept of an (asset, source), the last used ones; each restart of a connector is one."""

STREAMS_PER_ROW: Final = 256
"""(asset, source)s whose sessions are stored together, so that cost follows what changes."""

Stored = list[Any]
"""`[source, asset, session, floor, [first, last, first, last, …]]` of a session, for JSON."""


class Verdict(Enum):
    """What is known of a record."""

    NEW = "new"
    DUPLICATE = "duplicate"
    TOO_OLD = "too old"


class _Session:
    """The sequence numbers of one session as closed ranges, ascending, no two adjacent."""

    __slots__ = ("floor", "ranges")

    def __init__(self, ranges: list[list[int]], floor: int = 0) -> None:
        self.ranges = ranges
        self.floor = floor

    def add(self, sequence: int) -> Verdict:
        ranges = self.ranges
        if ranges and sequence == ranges[-1][1] + 1:  # nearly always
            ranges[-1][1] = sequence
            return Verdict.NEW
        at = len(ranges)
        while at and ranges[at - 1][0] > sequence:
            at -= 1
        if at and sequence <= ranges[at - 1][1]:
            return Verdict.DUPLICATE
        if sequence < self.floor:
            return Verdict.TOO_OLD
        self._insert(at, sequence)
        return Verdict.NEW

    def extend(self, first: int, last: int) -> bool:
        """Add all of first … last, if they follow what was seen last."""
        ranges = self.ranges
        if ranges and first != ranges[-1][1] + 1:
            return False
        if ranges:
            ranges[-1][1] = last
        else:
            ranges.append([first, last])
        return True

    def _insert(self, at: int, sequence: int) -> None:
        ranges = self.ranges
        ranges.insert(at, [sequence, sequence])
        if at + 1 < len(ranges) and ranges[at + 1][0] == sequence + 1:
            ranges[at][1] = ranges.pop(at + 1)[1]
        if at and ranges[at - 1][1] == sequence - 1:
            ranges[at - 1][1] = ranges.pop(at)[1]
        if len(ranges) > MAX_RANGES:
            self.floor = ranges.pop(0)[1] + 1


class _Stream:
    """The sessions of an (asset, source), and the row that they are stored in."""

    __slots__ = ("row", "sessions")

    def __init__(self, row: int) -> None:
        self.row = row
        self.sessions: dict[str, _Session] = {}


class Duplicates:
    """Seen ranges of sequence numbers of every (source, session, asset) of a partition."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._rows: dict[int, list[tuple[str, str]]] = {}
        self._changed: set[int] = set()

    def add(self, source: str, session: str, asset: str, sequence: int) -> Verdict:
        """Note a record, and say whether it was noted before.

        >>> seen = Duplicates()
        >>> [seen.add("plc", "a", "press", n).value for n in (0, 1, 3, 1, 2)]
        ['new', 'new', 'new', 'duplicate', 'new']
        """
        return self._session(source, session, asset).add(sequence)

    def add_all(
        self,
        sessions: Sequence[tuple[str, str, str]],
        session: NDArray[np.int32],
        sequence: NDArray[np.int64],
    ) -> list[Verdict] | None:
        """`add` records (N) in their order; None if all are new.

        Args:
            sessions: (source, session, asset)s.
            session: (N) index of each record's in `sessions`.
            sequence: (N) each record's.
        """
        verdicts: list[Verdict] = [Verdict.NEW] * len(session)
        order = np.argsort(session, kind="stable")
        heads = np.flatnonzero(np.diff(session[order], prepend=-1))
        names = [sessions[i] for i in session[order[heads]].tolist()]
        if len({(source, asset) for source, _, asset in names}) < len(names):
            # Which of a stream's sessions was used last depends on the order of all records.
            for at, number in enumerate(sequence.tolist()):
                source, one, asset = sessions[session[at]]
                verdicts[at] = self.add(source, one, asset, number)
        else:
            for name, places in zip(names, np.split(order, heads[1:]), strict=False):
                numbers, known = sequence[places], self._session(*name)
                if not (numbers[1:] == numbers[:-1] + 1).all() or not known.extend(
                    int(numbers[0]), int(numbers[-1])
                ):
                    for at, number in zip(places.tolist(), numbers.tolist(), strict=True):
                        verdicts[at] = known.add(number)
        return None if verdicts.count(Verdict.NEW) == len(verdicts) else verdicts

    def _session(self, source: str, session: str, asset: str) -> _Session:
        """A session, which is now the last used one of its stream, and whose row changes."""
        stream = self._streams.get((source, asset))
        if stream is None:
            stream = self._stream((source, asset), len(self._streams) // STREAMS_PER_ROW)
        self._changed.add(stream.row)
        sessions = stream.sessions
        known = sessions.get(session)
        if known is None:
            known = sessions[session] = _Session([])
            if len(sessions) > MAX_SESSIONS:
                del sessions[next(iter(sessions))]
        elif len(sessions) > 1 and next(reversed(sessions)) != session:  # keep the last used last
            sessions[session] = sessions.pop(session)
        return known

    def _stream(self, name: tuple[str, str], row: int) -> _Stream:
        self._rows.setdefault(row, []).append(name)
        return self._streams.setdefault(name, _Stream(row))

    def changes(self) -> dict[str, bytes]:
        """The rows changed since the last call, as JSON of lists of `Stored`."""
        changed, self._changed = self._changed, set()
        return {str(row): _dump(self._stored(row)) for row in changed}

    def _stored(self, row: int) -> list[Stored]:
        return [
            [source, asset, session, seen.floor, [end for ends in seen.ranges for end in ends]]
            for source, asset in self._rows[row]
            for session, seen in self._streams[source, asset].sessions.items()
        ]

    @classmethod
    def restored(cls, rows: Mapping[str, bytes]) -> "Duplicates":
        """What `changes`, merged in order, says.

        Raises:
            StateError: A row is damaged.
        """
        duplicates = cls()
        for row, data in rows.items():
            try:
                for source, asset, session, floor, ends in json.loads(data):
                    pairs = [list(pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
                    name = (source, asset)
                    stream = duplicates._streams.get(name) or duplicates._stream(name, int(row))
                    stream.sessions[session] = _Session(pairs, floor)
            except (ValueError, TypeError) as error:
                msg = f"the seen ranges cannot be read: {error!r}"
                raise StateError(msg, where=row, remedy="reset the processor") from error
        return duplicates


def _dump(rows: list[Stored]) -> bytes:
    return json.dumps(rows, separators=(",", ":")).encode()
