"""Windows that a reset to a time has cut: what the epoch before said of them stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.state.control import Control
from schemas import Windowed
from streams.host.levels import Name


@dataclass(frozen=True, slots=True)
class Cut:
    """Which windows an epoch cannot tell of, since it has read a part of them only.

    Args:
        since: It has read all of the windows that begin from then on, microseconds.
        until: How far the epoch before had come in event time: of windows that end later nobody has
            told, so what is known of them is.
        levels: The same of each of its streams; empty where an old release did not store it.
    """

    since: int = 0
    until: int = 0
    levels: Mapping[Name, int] = field(default_factory=dict)

    @classmethod
    def of(cls, control: Control, partition: int, levels: Mapping[Name, int]) -> "Cut":
        """As it was commanded."""
        return cls(control.since, control.told.get(partition, 0), levels)

    def through(self, record: object) -> bool:
        """Whether a result is of such a window."""
        if not self.since or not isinstance(record, Windowed):
            return False
        start, end = record.span
        return start < self.since and end <= self._told(*record.stream)

    def _told(self, unit: str, source: str) -> int:
        """Up to when the epoch before had told of a unit, or of what one source says of it."""
        if not self.levels:
            return self.until
        mine = (level for name, level in self.levels.items() if _is_of(name, unit, source))
        return max(mine, default=0)


NOTHING_CUT: Final = Cut()


def _is_of(name: Name, unit: str, source: str) -> bool:
    """Whether a stream is of a unit, or of one of its parts, and of the source if there is one.

    >>> _is_of(("line1/press", "plc"), "line1", ""), _is_of(("line1/press", "plc"), "line2", "")
    (True, False)
    """
    within = any(part == unit or part.startswith(f"{unit}/") for part in name)
    return within and source in ("", name[1])
