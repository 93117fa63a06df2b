"""How a machine lies in the holding registers of its Modbus unit.

All of a unit fits into one request, and its first four registers are the device's clock: who reads
them together gets the values of one cycle and the time of that cycle.

| registers | what | as |
|---|---|---|
| 40001 | device clock, µs since 1970-01-01 UTC | uint64 |
| 40005 | OrderID | 8 ASCII characters |
| 40009 | GoodCount, ScrapCount, TotalCount | uint32 each, word-swapped (CDAB) |
| 40015 | StateCurrent, UnitModeCurrent, ProductID, StopReason, SetSpeed, Shift | uint16 each |
| 40021 | sensors | first the float32 (alternately ABCD, CDAB), then the int16 with a scale |

Every other sensor is an int16 with a scale, if its range allows it, the others are float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.factory.machine import FIELDS, Reading
from penstock.factory.signals import Signal

CLOCK_REGISTERS: Final = 4
_FIRST_SENSOR: Final = 20
_INT16_MAX: Final = 32_767
_FIELD_REGISTERS: Final = (4, 8, 10, 12, 14, 15, 16, 17, 18, 19)
MAX_REGISTERS: Final = 125
"""That one Modbus request may read."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tag's place: its first register (from 0), how many, and how its value is written."""

    register: int
    count: int
    type: str
    order: str = ""
    scale: float = 1.0

    @property
    def modicon(self) -> str:
        """The register as tag lists write it.

        >>> Slot(4, 4, "string:8").modicon
        '40005'
        """
        return str(40_001 + self.register)


class Registers:
    """The registers of one kind of unit.

    Args:
        signals: The unit's sensors (n).

    Attributes:
        slots: One per tag: those of `FIELDS`, then the sensors.
        count: Registers of the unit, clock included.
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        short = [index % 2 == 1 and _fits(signal) for index, signal in enumerate(signals)]
        self._shorts = np.flatnonzero(short)
        self._floats = np.flatnonzero(np.logical_not(short))
        self._swapped = np.arange(len(self._floats)) % 2 == 1
        self._step = np.array([10.0 ** signals[index].decimals for index in self._floats.tolist()])
        self._first_short = _FIRST_SENSOR + 2 * len(self._floats)
        self.count = self._first_short + len(self._shorts)
        self.slots = (*_field_slots(), *self._sensor_slots(signals))

    def _sensor_slots(self, signals: Sequence[Signal]) -> list[Slot]:
        slots: dict[int, Slot] = {}
        for place, index in enumerate(self._floats.tolist()):
            order = "CDAB" if self._swapped[place] else "ABCD"
            slots[index] = Slot(_FIRST_SENSOR + 2 * place, 2, "float32", order)
        for place, index in enumerate(self._shorts.tolist()):
            scale = 10.0 ** -signals[index].decimals
            slots[index] = Slot(self._first_short + place, 1, "int16", scale=scale)
        return [slots[index] for index in range(len(signals))]

    def pack(self, reading: Reading, time: int) -> list[int]:
        """The unit's registers for one cycle, whose time is in µs since 1970-01-01 UTC."""
        clock = np.array([time], ">u8").view(">u2")
        order = np.frombuffer(reading.fields[0].encode("ascii").ljust(8, b"\0"), ">u2")
        counters = np.array(reading.fields[1:4], ">u4").view(">u2").reshape(-1, 2)[:, ::-1]
        floats = (reading.steps[self._floats] / self._step).astype(">f4").view(">u2").reshape(-1, 2)
        floats[self._swapped] = floats[self._swapped][:, ::-1]
        shorts = reading.steps[self._shorts].astype(np.int16).view(np.uint16)
        parts: list[NDArray[np.unsignedinteger]] = [
            clock,
            order,
            counters.ravel(),
            np.array(reading.fields[4:], np.uint16),
            floats.ravel(),
            shorts,
        ]
        return [int(word) for part in parts for word in part.tolist()]

    def logged(self, reading: Reading) -> list[float | int | str]:
        """The values as the truth records them: float32 in decimals, int16 unscaled."""
        values = reading.steps.copy()
        values[self._floats] /= self._step
        return [*reading.fields, *values.tolist()]


def _fits(signal: Signal) -> bool:
    return max(-signal.low, signal.high) * 10.0**signal.decimals <= _INT16_MAX


def _field_slots() -> list[Slot]:
    slots = []
    for field, register in zip(FIELDS, _FIELD_REGISTERS, strict=True):
        if field.text:
            slots.append(Slot(register, 4, "string:8", "ABCD"))
        elif register < _FIELD_REGISTERS[4]:
            slots.append(Slot(register, 2, "uint32", "CDAB"))
        else:
            slots.append(Slot(register, 1, "uint16"))
    return slots
