"""What a machine does when: orders, setup, production, wear, failures, short stops and breaks.

A timeline is an endless row of segments. Within one, pieces and wear grow in a straight line, so
any cycle of it can be computed directly, and going forward a day costs a day's segments only.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

CYCLE_US: Final = 100_000
"""One cycle of every PLC, in microseconds."""
_CYCLES_PER_SECOND: Final = 1_000_000 / CYCLE_US
PRODUCTS: Final = 4


class Activity(StrEnum):
    """What a machine is doing; each maps to a time element of ISO 22400-2."""

    PRODUCING = "producing"
    SETUP = "setup"
    MINOR_STOP = "minor_stop"
    FAILURE = "failure"
    REPAIR = "repair"
    BREAK = "break"
    NO_ORDER = "no_order"


@dataclass(frozen=True, slots=True)
class Profile:
    """How a kind of machine behaves; times in seconds of the process, at speed 1.

    `life` is the mean producing time from new to failure, `stop_every` the mean producing time
    between short stops. `load` is the share of rated load that the machine draws when producing.
    """

    piece: float
    setup: float = 60.0
    life: float = 1800.0
    repair: float = 120.0
    stop_every: float = 400.0
    stop: float = 25.0
    scrap: float = 0.02
    load: float = 0.8


BREAK_EVERY: Final = 3600.0
BREAK_FOR: Final = 300.0
BREAK_AT: Final = 900.0


@dataclass(frozen=True, slots=True)
class Order:
    """A production order at one machine, with the machine's counters as the order began.

    `number` counts the orders of a line from 1; all its machines make the same ones.
    `scrap_positions` holds, in ascending order, which of its pieces (from 1) are scrap.
    """

    line: int
    number: int
    product: int
    quantity: int
    start: int
    good_before: int
    scrap_before: int
    scrap_positions: NDArray[np.int64]

    @property
    def id(self) -> str:
        """The order as planners write it."""
        return order_id(self.line, self.number)

    def scrap(self, pieces: int) -> int:
        """How many of the first `pieces` pieces are scrap."""
        return int(self.scrap_positions.searchsorted(pieces, side="right"))


def order_id(line: int, number: int) -> str:
    """What planners call a line's order; eight characters.

    >>> order_id(1, 42)
    'O-100042'
    """
    return f"O-{line}{number % 100_000:05d}"


def product_of(number: int) -> int:
    """The product that an order is of."""
    return number % PRODUCTS


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of cycles [start, end) in which a machine does one thing.

    `progress` is the pieces of the order made at its start (with the fraction of the one in work),
    `rate` the pieces per cycle, `wear` and `wear_rate` likewise (0 new, about 1 worn out).
    """

    start: int
    end: int
    activity: Activity
    order: Order
    progress: float
    rate: float
    wear: float
    wear_rate: float
    reason: int = 0

    def pieces(self, cycle: int) -> int:
        """Pieces of the order made by a cycle of this segment."""
        made = math.floor(self.progress + self.rate * (cycle - self.start))
        return min(self.order.quantity, made)

    def wear_at(self, cycle: int) -> float:
        """Wear at a cycle of this segment."""
        return self.wear + self.wear_rate * (cycle - self.start)


def quantities(seed: int, line: int) -> Iterator[int]:
    """How many pieces each order of a line wants: the same for all its machines, without end."""
    rng = np.random.default_rng([seed, 1, line])
    while True:
        yield int(rng.integers(200, 400))


class Timeline:
    """The segments of one machine from cycle 0, in order, without end.

    Args:
        profile: How the machine behaves.
        line: Its line's number.
        rng: Its own random numbers; the same generator gives the same timeline.
        wanted: Pieces of each order.
        speed: Seconds of the process per second of the clock.
        initial: Pieces that its counters show at cycle 0.
    """

    def __init__(
        self,
        profile: Profile,
        line: int,
        rng: np.random.Generator,
        wanted: Iterator[int],
        speed: float,
        initial: int = 0,
    ) -> None:
        self._profile = profile
        self._line = line
        self._rng = rng
        self._wanted = wanted
        self._speed = speed
        self._cycle = 0
        self._wear = float(rng.uniform(0.3, 0.9))
        self._limit = float(rng.uniform(0.95, 1.1))
        self._good, self._scrap = initial, 0
        self._next_break = self._cycles(BREAK_AT)
        self._next_stop = self._stop_distance()

    def __iter__(self) -> Iterator[Segment]:
        for number in itertools.count(1):
            order = self._release(number)
            yield self._idle(Activity.SETUP, self._about(self._profile.setup), order, 0.0)
            yield from self._produce(order)
            scrap = order.scrap(order.quantity)
            self._scrap += scrap
            self._good += order.quantity - scrap
            yield self._idle(Activity.NO_ORDER, self._about(15.0), order, order.quantity)

    def _cycles(self, seconds: float) -> int:
        return max(1, round(seconds * _CYCLES_PER_SECOND / self._speed))

    def _about(self, seconds: float) -> float:
        return seconds * float(self._rng.uniform(0.7, 1.3))

    def _stop_distance(self) -> int:
        return self._cycles(float(self._rng.exponential(self._profile.stop_every)))

    def _release(self, number: int) -> Order:
        quantity = next(self._wanted)
        share = self._profile.scrap * (1.0 + self._wear)
        scrap = np.flatnonzero(self._rng.random(quantity) < share) + 1
        product = product_of(number)
        made = (self._good, self._scrap, scrap)
        return Order(self._line, number, product, quantity, self._cycle, *made)

    def _idle(
        self, activity: Activity, seconds: float, order: Order, progress: float, reason: int = 0
    ) -> Segment:
        start, self._cycle = self._cycle, self._cycle + self._cycles(seconds)
        return Segment(start, self._cycle, activity, order, progress, 0.0, self._wear, 0.0, reason)

    def _produce(self, order: Order) -> Iterator[Segment]:
        """Make an order's pieces, and whatever interrupts it."""
        per_cycle = self._speed / _CYCLES_PER_SECOND
        rate = per_cycle / self._profile.piece * float(self._rng.uniform(0.9, 1.0))
        wear_rate = per_cycle / self._profile.life
        progress = 0.0
        while progress < order.quantity:
            to_end = math.ceil((order.quantity - progress) / rate)
            to_failure = max(1, math.ceil((self._limit - self._wear) / wear_rate))
            to_break = max(1, self._next_break - self._cycle)
            length = min(to_end, to_failure, to_break, self._next_stop)
            start, self._cycle = self._cycle, self._cycle + length
            yield Segment(
                start, self._cycle, Activity.PRODUCING, order, progress, rate, self._wear, wear_rate
            )
            self._wear += wear_rate * length
            self._next_stop -= length
            progress = (
                float(order.quantity)
                if length == to_end
                else min(progress + rate * length, float(order.quantity))
            )
            yield from self._interruptions(order, progress, failed=length == to_failure)

    def _interruptions(self, order: Order, progress: float, *, failed: bool) -> Iterator[Segment]:
        if failed:
            reason = int(self._rng.integers(1, 10))
            yield self._idle(Activity.FAILURE, self._about(30.0), order, progress, reason)
            repair = self._about(self._profile.repair)
            yield self._idle(Activity.REPAIR, repair, order, progress, reason)
            self._wear = 0.0
            self._limit = float(self._rng.uniform(0.9, 1.1))
        if self._next_stop <= 0:
            reason = int(self._rng.integers(10, 20))
            yield self._idle(
                Activity.MINOR_STOP, self._about(self._profile.stop), order, progress, reason
            )
            self._next_stop = self._stop_distance()
        if self._cycle >= self._next_break:
            yield self._idle(Activity.BREAK, BREAK_FOR, order, progress)
            while self._next_break <= self._cycle:
                self._next_break += self._cycles(BREAK_EVERY)
