"""One member of a line: its counters and open windows, folded in the order of time."""

from dataclasses import dataclass, field
from typing import Any

from penstock.lines import Counter
from streams.operators.windows.parameters import NEVER, Size

Event = tuple[int, str, float]
"""(time, tag, value) of a good counter sample; of an empty tag: the source was heard then."""


@dataclass(slots=True)
class Share:
    """What a member contributes to a window: pieces by role, and microseconds it was heard."""

    pieces: dict[str, float] = field(default_factory=dict)
    covered: int = 0


@dataclass(slots=True)
class MemberState:
    """What is known of a member.

    Args:
        watermark: Its own.
        last: When it was last heard, of what is folded.
        reached: Up to when being heard is accounted for.
        values: The last value of each counter.
        pending: On-time events that the watermark has not passed, in order of arrival.
        windows: The open windows, by (size, start).
    """

    watermark: int = NEVER
    last: int = NEVER
    reached: int = NEVER
    values: dict[str, float] = field(default_factory=dict)
    pending: list[Event] = field(default_factory=list)
    windows: dict[tuple[int, int], Share] = field(default_factory=dict)

    def dump(self) -> list[Any]:
        """As JSON."""
        windows = [[*name, s.pieces, s.covered] for name, s in sorted(self.windows.items())]
        return [self.watermark, self.last, self.reached, self.values, self.pending, windows]

    @classmethod
    def load(cls, row: list[Any]) -> "MemberState":
        """The inverse of `dump`."""
        watermark, last, reached, values, pending, windows = row
        shares = {(size, start): Share(p, covered) for size, start, p, covered in windows}
        events = [(time, tag, value) for time, tag, value in pending]
        return cls(watermark, last, reached, values, events, shares)

    def fold(
        self, upto: int, sizes: tuple[Size, ...], hold: int, counters: dict[str, Counter]
    ) -> None:
        """Take the events up to a time, in order, into their windows.

        Args:
            upto: Microseconds.
            sizes: Of the windows.
            hold: For how long after it was last heard the source counts as heard.
            counters: By tag.
        """
        due = sorted((e for e in self.pending if e[0] <= upto), key=lambda event: event[0])
        self.pending = [event for event in self.pending if event[0] > upto]
        for time, tag, value in due:
            self._cover(min(time, self.last + hold), sizes)
            self.last, self.reached = time, max(self.reached, time)
            if tag:
                self._count(time, tag, value, counters[tag], sizes)
        self._cover(min(upto, self.last + hold), sizes)

    def _count(
        self, time: int, tag: str, value: float, counter: Counter, sizes: tuple[Size, ...]
    ) -> None:
        before = self.values.get(tag)
        self.values[tag] = value
        more = 0.0 if before is None else increase(before, value, counter.maximum)
        for one in sizes:
            for start in _starts(time, time + 1, one):
                pieces = self.windows.setdefault((one.size, start), Share()).pieces
                pieces[counter.role] = pieces.get(counter.role, 0.0) + more

    def _cover(self, end: int, sizes: tuple[Size, ...]) -> None:
        """Account for being heard up to a time."""
        if self.reached == NEVER or end <= self.reached:
            return
        for one in sizes:
            for start in _starts(self.reached, end, one):
                share = self.windows.setdefault((one.size, start), Share())
                share.covered += min(end, start + one.size) - max(self.reached, start)
        self.reached = end

    def close(self, upto: int) -> list[tuple[int, int, Share]]:
        """(size, start, share) of the windows that end by a time, oldest first; they are gone."""
        ended = [name for name in self.windows if sum(name) <= upto]
        ended.sort(key=lambda name: (sum(name), name))
        return [(*name, self.windows.pop(name)) for name in ended]


def increase(before: float, value: float, maximum: float | None) -> float:
    """By how much a counter went up between two readings.

    A lower reading is a rollover where the counter has a maximum and lost less than half of it that
    way, else a reset: then it counted from zero.

    >>> increase(7, 9, None), increase(65530, 4, 65535), increase(500, 3, 65535)
    (2, 10, 3)
    """
    if value >= before:
        return value - before
    if maximum is not None:
        rolled = maximum - before + 1 + value
        if 0 <= rolled <= maximum / 2:
            return rolled
    return max(value, 0.0)


def _starts(begin: int, end: int, one: Size) -> range:
    """The windows that hold any of the times from begin until before end."""
    return range((begin - one.size) // one.step * one.step + one.step, end, one.step)
