"""Windows that a reset to a time has cut: what the epoch before said of them stands."""

from dataclasses import dataclass
from typing import Final

from penstock.state.control import Control
from schemas import Windowed


@dataclass(frozen=True, slots=True)
class Cut:
    """Which windows an epoch cannot tell of, since it has read a part of them only.

    Args:
        since: It has read all of the windows that begin from then on, microseconds.
        until: How far the epoch before had come in event time: of windows that end later nobody has
            told, so what is known of them is.
    """

    since: int = 0
    until: int = 0

    @classmethod
    def of(cls, control: Control, partition: int) -> "Cut":
        """As it was commanded."""
        return cls(control.since, control.told.get(partition, 0))

    def through(self, record: object) -> bool:
        """Whether a result is of such a window."""
        if not self.since or not isinstance(record, Windowed):
            return False
        start, end = record.span
        return start < self.since and end <= self.until


NOTHING_CUT: Final = Cut()
