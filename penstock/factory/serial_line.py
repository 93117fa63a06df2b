"""How the machines of a serial line go on together: one piece each at a time, without buffers.

While one machine is set up, has failed or has stopped, all others wait for it. What it scraps does
not come to those behind it. A timeline is an endless row of segments. Within one, pieces and wear
grow in a straight line, so any cycle of it can be computed directly, and going forward a day costs
a day's segments of the line, for each of its machines.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from penstock.factory.schedule import (
    BLOCKED,
    CYCLE_US,
    STARVED,
    Activity,
    Order,
    Profile,
    Segment,
    pieces_per_minute,
    product_of,
    quantities,
)

_CYCLES_PER_SECOND: Final = 1_000_000 / CYCLE_US
_BREAK_EVERY: Final = 3600.0
_BREAK_FOR: Final = 300.0
_BREAK_AT: Final = 900.0
_BETWEEN_ORDERS: Final = 15.0
_FAILED_FOR: Final = 30.0
"""Seconds until somebody begins the repair."""


class _Member:
    """What a machine of the line is like just now, and its own random numbers."""

    def __init__(self, profile: Profile, rng: np.random.Generator, initial: int) -> None:
        self.profile, self.rng = profile, rng
        self.wear = float(rng.uniform(0.3, 0.9))
        self.limit = float(rng.uniform(0.95, 1.1))
        self.stop_in = 0
        """Producing cycles to its next short stop."""
        self.good, self.scrap = initial, 0
        self.order: Order

    def about(self, seconds: float) -> float:
        return _about(self.rng, seconds)


def _about(rng: np.random.Generator, seconds: float) -> float:
    return seconds * float(rng.uniform(0.7, 1.3))


class SerialLine:
    """The segments of one machine of a line from cycle 0, in order, without end.

    Args:
        line: The line's number.
        profiles: How its machines behave, in order of flow.
        member: Whose segments are wanted: its place in the flow, from 0.
        seed: The factory's seed; with the arguments before, it makes the timeline.
        first: The factory-wide index of the line's first machine.
        speed: Seconds of the process per second of the clock.
        initial: Pieces that the member's counters show at cycle 0.
    """

    def __init__(
        self,
        line: int,
        profiles: Sequence[Profile],
        member: int,
        *,
        seed: int,
        first: int,
        speed: float,
        initial: int = 0,
    ) -> None:
        self._line, self._member, self._speed = line, member, speed
        self._per_cycle = speed / _CYCLES_PER_SECOND
        """Seconds of the process in a cycle."""
        self._rng = np.random.default_rng([seed, 4, line])
        self._wanted = quantities(seed, line)
        self._members = [
            _Member(
                profile,
                np.random.default_rng([seed, 3, first + place]),
                initial if place == member else 0,
            )
            for place, profile in enumerate(profiles)
        ]
        for one in self._members:
            one.stop_in = self._stop_distance(one)
        self._own = self._members[member]
        self._cycle = 0
        self._next_break = self._cycles(_BREAK_AT)

    def __iter__(self) -> Iterator[Segment]:
        for number in itertools.count(1):
            quantity = next(self._wanted)
            self._release(number, quantity)
            yield from self._set_up()
            yield from self._produce(quantity)
            for one in self._members:
                scrap = one.order.scrap(one.order.pieces)
                one.scrap += scrap
                one.good += one.order.pieces - scrap
            between = _about(self._rng, _BETWEEN_ORDERS)
            yield self._idle(Activity.NO_ORDER, self._cycles(between), 1.0)

    def _cycles(self, seconds: float) -> int:
        return max(1, round(seconds * _CYCLES_PER_SECOND / self._speed))

    def _stop_distance(self, one: _Member) -> int:
        return self._cycles(float(one.rng.exponential(one.profile.stop_every)))

    def _release(self, number: int, quantity: int) -> None:
        """Give every machine the order, with what the machines before it leave of its pieces."""
        pieces = quantity
        for one in self._members:
            share = one.profile.scrap * (1.0 + one.wear)
            scrap = np.flatnonzero(one.rng.random(pieces) < share) + 1
            one.order = Order(
                line=self._line,
                number=number,
                product=product_of(number),
                quantity=quantity,
                pieces=pieces,
                start=self._cycle,
                good_before=one.good,
                scrap_before=one.scrap,
                scrap_positions=scrap,
            )
            pieces -= len(scrap)

    def _set_up(self) -> Iterator[Segment]:
        """All are set up; who is ready waits for the slowest."""
        needed = [self._cycles(one.about(one.profile.setup)) for one in self._members]
        own, slowest = needed[self._member], max(needed)
        yield self._idle(Activity.SETUP, own, 0.0)
        if own < slowest:
            reason = self._waits_for(needed.index(slowest))
            yield self._idle(Activity.WAITING, slowest - own, 0.0, reason)

    def _produce(self, quantity: int) -> Iterator[Segment]:
        """Make an order's pieces, and whatever interrupts it; one cause stops the line at a time.

        `done` is the share of the order that is made: that of all machines.
        """
        own, pieces = self._own, self._own.order.pieces
        rate, done = self._pace() / quantity, 0.0
        while done < 1.0:
            to_end = math.ceil((1.0 - done) / rate)
            length, cause = self._until_interrupted(to_end)
            start, self._cycle = self._cycle, self._cycle + length
            wear_rate = self._wear_rate(own)
            yield Segment(
                start, self._cycle, Activity.PRODUCING, own.order,
                done * pieces, rate * pieces, own.wear, wear_rate,
            )  # fmt: skip
            for one in self._members:
                one.wear += self._wear_rate(one) * length
                one.stop_in -= length
            done = 1.0 if length >= to_end else min(done + rate * length, 1.0)
            if cause is not None:
                yield from self._interruption(cause, done)
            elif done < 1.0 and self._cycle >= self._next_break:
                yield self._idle(Activity.BREAK, self._cycles(_BREAK_FOR), done)
                while self._next_break <= self._cycle:
                    self._next_break += self._cycles(_BREAK_EVERY)

    def _pace(self) -> float:
        """Pieces per cycle of the slowest machine, which runs a little below its set speed."""
        product = self._own.order.product
        slowest = min(pieces_per_minute(one.profile, product) for one in self._members)
        return slowest / 60.0 * self._per_cycle * float(self._rng.uniform(0.9, 1.0))

    def _wear_rate(self, one: _Member) -> float:
        return self._per_cycle / one.profile.life

    def _until_interrupted(self, to_end: int) -> tuple[int, int | None]:
        """Cycles to an order's end or what comes before it, and which machine ends them, if any."""
        length, cause = min(to_end, max(1, self._next_break - self._cycle)), None
        for place, one in enumerate(self._members):
            to_failure = math.ceil((one.limit - one.wear) / self._wear_rate(one))
            if (until := max(1, min(to_failure, one.stop_in))) < length:
                length, cause = until, place
        return length, cause

    def _interruption(self, cause: int, done: float) -> Iterator[Segment]:
        """One machine fails or stops, and the others wait."""
        one = self._members[cause]
        own = cause == self._member
        if one.wear >= one.limit:
            reason = int(one.rng.integers(1, 10))
            failed = self._cycles(one.about(_FAILED_FOR))
            repair = self._cycles(one.about(one.profile.repair))
            if own:
                yield self._idle(Activity.FAILURE, failed, done, reason)
                yield self._idle(Activity.REPAIR, repair, done, reason)
            length = failed + repair
            one.wear, one.limit = 0.0, float(one.rng.uniform(0.9, 1.1))
        else:
            reason = int(one.rng.integers(10, 20))
            length = self._cycles(one.about(one.profile.stop))
            if own:
                yield self._idle(Activity.MINOR_STOP, length, done, reason)
            one.stop_in = self._stop_distance(one)
        if not own:
            yield self._idle(Activity.WAITING, length, done, self._waits_for(cause))

    def _waits_for(self, cause: int) -> int:
        return STARVED if cause < self._member else BLOCKED

    def _idle(self, activity: Activity, length: int, done: float, reason: int = 0) -> Segment:
        """A stretch in which nothing is made; what stands does not wear."""
        start, self._cycle = self._cycle, self._cycle + length
        order = self._own.order
        progress = done * order.pieces
        return Segment(
            start, self._cycle, activity, order, progress, 0.0, self._own.wear, 0.0, reason
        )
