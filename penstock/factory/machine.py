"""A simulated machine: its timeline, its condition and what its sensors and counters show.

Cycle `k` of a machine depends on the seed, the machine's place in the factory, the speed and `k`
alone. So a PLC that was switched off shows, once started again, what it would have shown anyway.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.factory.equipment import KINDS
from penstock.factory.layout import LINES, Place
from penstock.factory.schedule import CYCLE_US, Activity, Segment, pieces_per_minute
from penstock.factory.serial_line import SerialLine
from penstock.factory.signals import Sensors
from penstock.settings.tags import Role

PACKML: Final[Mapping[Activity, tuple[int, int]]] = MappingProxyType(
    {
        Activity.PRODUCING: (6, 1),  # Execute, Production
        Activity.SETUP: (15, 4),  # Resetting, first user-defined mode
        Activity.MINOR_STOP: (11, 1),  # Held: the machine's own trouble
        Activity.WAITING: (5, 1),  # Suspended: starved or blocked
        Activity.FAILURE: (9, 1),  # Aborted
        Activity.REPAIR: (9, 2),  # Aborted, Maintenance
        Activity.BREAK: (4, 1),  # Idle
        Activity.NO_ORDER: (17, 1),  # Complete
    }
)
"""StateCurrent and UnitModeCurrent of each activity (ISA-TR88.00.02)."""

_LOAD_LAG: Final = 4.0
_HEAT_LAG: Final = 240.0
"""Time constants, in seconds of the process at speed 1."""
_LOADS: Final[Mapping[Activity, float]] = MappingProxyType(
    {
        Activity.PRODUCING: 1.0,
        Activity.SETUP: 0.25,
        Activity.MINOR_STOP: 0.12,
        Activity.WAITING: 0.12,
    }
)
_SHIFT_SECONDS: Final = 8 * 3600


@dataclass(frozen=True, slots=True)
class Field:
    """A tag that is no sensor: an order, a counter, a state, a setting."""

    name: str
    role: Role
    text: bool = False
    description: str = ""


FIELDS: Final = (
    Field("OrderID", Role.ORDER, text=True, description="production order in work"),
    Field("GoodCount", Role.GOOD, description="good pieces"),
    Field("ScrapCount", Role.SCRAP, description="scrapped pieces"),
    Field("TotalCount", Role.TOTAL, description="all pieces"),
    Field("StateCurrent", Role.STATE, description="PackML state"),
    Field("UnitModeCurrent", Role.MODE, description="PackML mode"),
    Field("ProductID", Role.PRODUCT, description="product in work"),
    Field("StopReason", Role.REASON, description="why it stands, 0 if it does not"),
    Field("SetSpeed", Role.SIGNAL, description="pieces per minute wanted"),
    Field("Shift", Role.SIGNAL, description="1 early, 2 late, 3 night"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a machine shows at one cycle.

    `fields` are the values of `FIELDS`, in order; `steps` (n) are its sensors' readings in steps
    of their resolution.
    """

    cycle: int
    fields: tuple[str, int, int, int, int, int, int, int, int, int]
    steps: NDArray[np.float64]


class Machine:
    """One machine; it only goes forward.

    Args:
        place: Which machine it is.
        seed: The factory's seed.
        speed: Seconds of the process per second of the clock.
    """

    def __init__(self, place: Place, *, seed: int, speed: float) -> None:
        kind = KINDS[place.kind]
        self.place = place
        self._profile = kind.profile
        self._speed = speed
        per_cycle = speed * CYCLE_US / 1e6
        self._load_decay = math.exp(-per_cycle / _LOAD_LAG)
        self._heat_decay = math.exp(-per_cycle / _HEAT_LAG)
        self.sensors = Sensors(kind.signals, np.random.default_rng([seed, 2, place.index]))
        # Counters that roll over early start close to it, so that it is seen.
        initial = max(0, place.counter_max - 300) if place.counter_max < 1 << 20 else 0
        places = next(line.places for line in LINES if place in line.places)
        self._segments = iter(
            SerialLine(
                place.line,
                [KINDS[one.kind].profile for one in places],
                places.index(place),
                seed=seed,
                first=places[0].index,
                speed=speed,
                initial=initial,
            )
        )
        self._load, self._heat = 0.1, 0.1
        self.segment = next(self._segments)
        self._ended: list[Segment] = []

    def advance(self, cycle: int) -> list[Segment]:
        """Go forward to a cycle; gives the segments that ended since it was called last."""
        self._go(cycle)
        ended, self._ended = self._ended, []
        return ended

    def _go(self, cycle: int) -> None:
        while self.segment.end <= cycle:
            self._ended.append(self.segment)
            _, self._load, self._heat, _, _, _ = self._condition(self.segment.end)
            self.segment = next(self._segments)

    def read(self, cycle: int) -> Reading:
        """What the machine shows at a cycle, which must not lie before the last one asked for."""
        self._go(cycle)
        steps = self.sensors.read(cycle, np.array(self._condition(cycle)))
        return Reading(cycle, self._fields(cycle), steps)

    def counts(self, cycle: int) -> tuple[int, int]:
        """Good and scrapped pieces since the factory was built, without rollover."""
        segment = self.segment
        pieces = segment.pieces(cycle)
        scrap = segment.order.scrap(pieces)
        return segment.order.good_before + pieces - scrap, segment.order.scrap_before + scrap

    def _condition(self, cycle: int) -> tuple[float, float, float, float, float, float]:
        segment = self.segment
        elapsed = cycle - segment.start
        target = self._target(segment)
        load = target + (self._load - target) * self._load_decay**elapsed
        heat = target + (self._heat - target) * self._heat_decay**elapsed
        wear = segment.wear_at(cycle)
        speed = 1.0 if segment.activity is Activity.PRODUCING else min(1.0, load)
        vibration = load * (0.5 + 0.3 * heat + 1.2 * wear**3)
        return 1.0, load, heat, wear, vibration, speed

    def _target(self, segment: Segment) -> float:
        share = _LOADS.get(segment.activity, 0.02)
        heavier = 1.0 + 0.06 * (segment.order.product - 1)
        return share * self._profile.load * heavier

    def _fields(self, cycle: int) -> tuple[str, int, int, int, int, int, int, int, int, int]:
        segment = self.segment
        good, scrap = self.counts(cycle)
        modulus = self.place.counter_max + 1
        state, mode = PACKML[segment.activity]
        process_seconds = cycle * CYCLE_US / 1e6 * self._speed
        shift = int(process_seconds // _SHIFT_SECONDS) % 3 + 1
        return (
            segment.order.id,
            good % modulus,
            scrap % modulus,
            (good + scrap) % modulus,
            state,
            mode,
            segment.order.product,
            segment.reason,
            pieces_per_minute(self._profile, segment.order.product),
            shift,
        )
