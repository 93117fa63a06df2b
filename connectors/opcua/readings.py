"""What is known of one tag's gap while it is read from the server's history. Pure.

A gap lies between the last sample before the loss and the first after it, both excluded: what is
read was never sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua

from connectors.opcua.values import microseconds

FRUITLESS: Final = 100
"""So often in a row may a server say that there is more, and give nothing further."""


@dataclass(slots=True, eq=False)
class Gap:
    """Times of one tag between which samples may be missing; microseconds, both excluded."""

    handle: int
    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Page:
    """Values of one gap, in their order; once they are handed on, the gap begins at `after`."""

    gap: Gap
    values: Sequence[ua.DataValue]
    after: int
    last: bool


class Reading:
    """How far one gap is read.

    Values of an answer's last time wait for the next answer, for there may be more of them: a gap
    that is taken up again begins after a time whose values were all handed on. Some servers
    continue at a time rather than after a value, and give those of that time once more.

    Args:
        gap: What to read.
    """

    def __init__(self, gap: Gap) -> None:
        self.gap = gap
        self.begin = gap.after
        """Where a request without a continuation point begins."""
        self.point: bytes | None = None
        """Of the last answer: where the server goes on, and what it keeps for us until then."""
        self.goes_on = False
        """Whether we want to go on there."""
        self.alone = False
        """Whether it got no further in a request that began earlier, for others beside it."""
        self.ended = False
        self._done = gap.after
        self._reached = 0
        self._fruitless = 0
        self._failures = 0
        self._held: list[ua.DataValue] = []

    def take(
        self, found: Sequence[ua.DataValue], point: bytes | None, *, full: bool, early: bool = False
    ) -> Page:
        """What can be handed on of an answer.

        Args:
            found: Its values, which may lie before and behind the gap, too.
            point: Its continuation point.
            full: Whether it has as many values as were asked for. Some servers give no point where
                they cut an answer to that length.
            early: Whether the request had no point and began before `begin`.
        """
        new = _within(self.gap, _unseen(found, self._held))
        reached = max(map(_time, found), default=0)
        self._fruitless = 0 if new or reached > self._reached else self._fruitless + 1
        self._reached = max(reached, self._reached)
        self._failures = 0
        self.point = point or None
        passed = reached >= self.gap.before or self._fruitless > FRUITLESS
        self.ended = passed or not (point or full)
        stuck = bool(self._held and found) and not new and not early
        self.goes_on = bool(point) and not self.ended and not stuck
        self.alone = early and not new
        known = self._held + new
        if known:
            self.begin = _time(known[-1]) + stuck  # which it would give again and again
        ready = known if self.ended else [one for one in known if _time(one) < self.begin]
        self._held = known[len(ready) :]
        self._done = _time(ready[-1]) if ready else self._done
        return Page(self.gap, ready, self._done, self.ended)

    def failed(self) -> int:
        """The server has no point for us: begin anew. Gives how often since an answer."""
        self.point, self.goes_on = None, False
        self._failures += 1
        return self._failures

    def end(self) -> None:
        """Nothing more is to be had."""
        self.ended, self.goes_on = True, False


def _within(gap: Gap, values: Sequence[ua.DataValue]) -> list[ua.DataValue]:
    """Those that have a source time in the gap, by their times."""
    found = [value for value in values if gap.after < _time(value) < gap.before]
    return sorted(found, key=_time)


def _unseen(values: Sequence[ua.DataValue], held: Sequence[ua.DataValue]) -> list[ua.DataValue]:
    """An answer without the values that we hold already, where it begins with them."""
    first = [value for value in values if held and _time(value) == _time(held[0])]
    again = [repr(value) for value in first[: len(held)]] == [repr(value) for value in held]
    rest = [value for value in values if not held or _time(value) > _time(held[0])]
    return (first[len(held) :] if again else first) + rest


def _time(value: ua.DataValue) -> int:
    """Microseconds; below all gaps where the server gives no time."""
    return microseconds(value.SourceTimestamp) or 0
