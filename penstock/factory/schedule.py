"""What a machine does when: its orders, and the stretches of time in which it does one thing."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

CYCLE_US: Final = 100_000
"""One cycle of every PLC, in microseconds."""
PRODUCTS: Final = 4


class Activity(StrEnum):
    """What a machine is doing; each maps to a time element of ISO 22400-2."""

    PRODUCING = "producing"
    SETUP = "setup"
    MINOR_STOP = "minor_stop"
    WAITING = "waiting"
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
    repair: float = 90.0
    stop_every: float = 1200.0
    stop: float = 25.0
    scrap: float = 0.007
    load: float = 0.8


STARVED: Final = 20
BLOCKED: Final = 21
"""Reasons for which a machine waits: for one before it, for one behind it."""


@dataclass(frozen=True, slots=True)
class Order:
    """A production order at one machine, with the machine's counters as the order began.

    `number` counts the orders of a line from 1; all its machines make the same ones. `quantity` is
    what planners want the line to start with, `pieces` what comes to this machine of it.
    `scrap_positions` holds, in ascending order, which of its pieces (from 1) are scrap.
    """

    line: int
    number: int
    product: int
    quantity: int
    pieces: int
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
        return min(self.order.pieces, made)

    def wear_at(self, cycle: int) -> float:
        """Wear at a cycle of this segment."""
        return self.wear + self.wear_rate * (cycle - self.start)


def pieces_per_minute(profile: Profile, product: int) -> int:
    """Pieces of a product per minute of the process that a kind of machine is set to."""
    return round(60.0 / profile.piece) - 2 * product


def quantities(seed: int, line: int) -> Iterator[int]:
    """How many pieces each order of a line wants: the same for all its machines, without end."""
    rng = np.random.default_rng([seed, 1, line])
    while True:
        yield int(rng.integers(150, 300))
