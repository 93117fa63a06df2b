"""Recognises records that were seen before, by (source, session, asset, sequence)."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

MAX_RANGES: Final = 64
"""Ranges kept of a session; a sequence below the lowest, once some were forgotten, is too old."""
MAX_SESSIONS: Final = 8
"""Sessions kept of an (asset, source), the last used ones; each restart of a connector is one."""

Stored = list[list[Any]]
"""`[source, asset, session, floor, [first, last, first, last, …]]` of each session, for JSON."""


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

    def _insert(self, at: int, sequence: int) -> None:
        ranges = self.ranges
        ranges.insert(at, [sequence, sequence])
        if at + 1 < len(ranges) and ranges[at + 1][0] == sequence + 1:
            ranges[at][1] = ranges.pop(at + 1)[1]
        if at and ranges[at - 1][1] == sequence - 1:
            ranges[at - 1][1] = ranges.pop(at)[1]
        if len(ranges) > MAX_RANGES:
            self.floor = ranges.pop(0)[1] + 1


class Duplicates:
    """Seen ranges of sequence numbers of every (source, session, asset) of a partition."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], dict[str, _Session]] = {}

    def add(self, source: str, session: str, asset: str, sequence: int) -> Verdict:
        """Note a record, and say whether it was noted before.

        >>> seen = Duplicates()
        >>> [seen.add("plc", "a", "press", n).value for n in (0, 1, 3, 1, 2)]
        ['new', 'new', 'new', 'duplicate', 'new']
        """
        sessions = self._streams.setdefault((source, asset), {})
        known = sessions.get(session)
        if known is None:
            sessions[session] = _Session([[sequence, sequence]])
            if len(sessions) > MAX_SESSIONS:
                del sessions[next(iter(sessions))]
            return Verdict.NEW
        if len(sessions) > 1 and next(reversed(sessions)) != session:  # keep the last used last
            sessions[session] = sessions.pop(session)
        return known.add(sequence)

    def stored(self) -> Stored:
        """All of it, for the snapshot."""
        return [
            [source, asset, session, seen.floor, [end for ends in seen.ranges for end in ends]]
            for (source, asset), sessions in self._streams.items()
            for session, seen in sessions.items()
        ]

    @classmethod
    def restored(cls, rows: Iterable[list[Any]]) -> "Duplicates":
        """The inverse of `stored`."""
        duplicates = cls()
        for source, asset, session, floor, ends in rows:
            pairs = [list(pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
            sessions = duplicates._streams.setdefault((source, asset), {})
            sessions[session] = _Session(pairs, floor)
        return duplicates
