"""Follows the orders of one asset through its order tag and counters; pure, in event time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from penstock.settings.tags import Role

_RANK: Final = {Role.ORDER: 0, Role.GOOD: 1, Role.SCRAP: 1}
"""Of samples at one time the order goes first: a piece counts for the order shown beside it."""


class Reading(NamedTuple):
    """A good sample of an order tag or a counter."""

    time: int
    role: Role
    value: float | str
    offset: int
    """Kafka offset of the record that it came in."""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What was made for one order up to now."""

    order: str
    started: int
    ended: int
    good: float
    scrap: float
    completed: bool


@dataclass(slots=True)
class _Order:
    name: str
    started: int
    first_offset: int
    """Reading again from here on gives the same report again."""
    made: dict[Role, float] = field(default_factory=lambda: {Role.GOOD: 0.0, Role.SCRAP: 0.0})


class _Counter(NamedTuple):
    last: float
    offset: int


class _Shown(NamedTuple):
    """What the order tag said last; an empty name is no order."""

    name: str
    offset: int


class OrderTracker:
    """Orders and pieces of one asset.

    Readings wait until event time has passed them by `out_of_order`, then are taken in order of
    time. A counter that goes back has rolled over at its `maximum`, or was reset and counts from 0.
    An order whose beginning was not seen is not reported: what was made for it before is unknown.

    Args:
        out_of_order: Microseconds by which readings may overtake each other.
        maximum: Greatest value of a counter, by role, where it rolls over.
    """

    def __init__(self, out_of_order: int, maximum: Mapping[Role, float]) -> None:
        self._out_of_order = out_of_order
        self._maximum = dict(maximum)
        self._waiting: list[Reading] = []
        self._newest = 0
        self._shown: _Shown | None = None
        self._order: _Order | None = None
        """The open order, if its beginning was seen."""
        self._counters: dict[Role, _Counter] = {}

    def take(self, readings: Iterable[Reading]) -> list[OrderReport]:
        """Take readings of one record; gives a report of each order that began or ended."""
        self._waiting += readings
        if not self._waiting:
            return []
        self._waiting.sort(key=lambda reading: (reading.time, _RANK[reading.role], reading.offset))
        self._newest = max(self._newest, self._waiting[-1].time)
        due = [r for r in self._waiting if r.time <= self._newest - self._out_of_order]
        del self._waiting[: len(due)]
        reports: list[OrderReport] = []
        for reading in due:
            if reading.role is Role.ORDER:
                reports += self._ordered(reading)
            else:
                self._counted(reading)
        return reports

    def resume_offset(self, next_offset: int) -> int:
        """From where to read again so that the open order, and nothing else, is reported again."""
        needed = [next_offset, *(reading.offset for reading in self._waiting)]
        if self._order is not None:
            needed.append(self._order.first_offset)
        return min([*needed, *self._lasts()])

    def _lasts(self) -> list[int]:
        """Offsets of the last readings, which say what the next ones change."""
        shown = [] if self._shown is None else [self._shown.offset]
        return shown + [counter.offset for counter in self._counters.values()]

    def _ordered(self, reading: Reading) -> list[OrderReport]:
        name, lasts, before = str(reading.value), self._lasts(), self._shown
        self._shown = _Shown(name, reading.offset)
        if before is None or before.name == name:
            return []
        ended = [self._report(reading.time, completed=True)] if self._order is not None else []
        if not name:
            self._order = None
            return ended
        self._order = _Order(name, reading.time, min([reading.offset, *lasts]))
        return [*ended, self._report(reading.time, completed=False)]

    def _counted(self, reading: Reading) -> None:
        value = float(reading.value)
        before = self._counters.get(reading.role)
        self._counters[reading.role] = _Counter(value, reading.offset)
        if before is None or self._order is None:
            return
        self._order.made[reading.role] += self._increase(reading.role, before.last, value)

    def _increase(self, role: Role, last: float, value: float) -> float:
        if value >= last:
            return value - last
        maximum = self._maximum.get(role)
        rolled_over = maximum is not None and last - value > maximum / 2
        return value + maximum + 1 - last if rolled_over and maximum is not None else value

    def _report(self, time: int, *, completed: bool) -> OrderReport:
        order = self._order
        assert order is not None
        good, scrap = order.made[Role.GOOD], order.made[Role.SCRAP]
        return OrderReport(order.name, order.started, time, good, scrap, completed)
