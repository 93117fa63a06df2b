"""What the sensors of a machine measure, as functions of its condition.

A machine's condition at a cycle is a short vector: load (0–1), heat (follows the load with a lag),
wear, vibration (from load, heat and wear) and speed. A sensor is a straight line through these,
plus a wave, plus noise, rounded to its resolution: so signals of one machine hang together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONDITION: Final = ("one", "load", "heat", "wear", "vibration", "speed")
"""The condition vector; `one` carries a sensor's base value."""
_NOISE_ROWS: Final = (1009, 887)
"""Two primes: together their tables repeat after 25 hours of cycles."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One sensor: its gains on the condition vector, its wave and noise, its range and resolution.

    `wave` is an amplitude at full load, `period` its length in cycles; `decimals` the resolution.
    """

    name: str
    unit: str
    base: float
    load: float = 0.0
    heat: float = 0.0
    wear: float = 0.0
    vibration: float = 0.0
    speed: float = 0.0
    wave: float = 0.0
    period: float = 40.0
    noise: float = 0.1
    decimals: int = 2
    low: float = 0.0
    high: float = 300.0
    description: str = ""

    @property
    def gains(self) -> tuple[float, ...]:
        """Gains in the order of `CONDITION`."""
        return (self.base, self.load, self.heat, self.wear, self.vibration, self.speed)


class Sensors:
    """All sensors of one machine, computed at once.

    Args:
        signals: The n sensors.
        rng: The machine's random numbers, drawn here once for the noise and the phases.
    """

    def __init__(self, signals: Sequence[Signal], rng: np.random.Generator) -> None:
        self.signals = tuple(signals)
        count = len(self.signals)
        self._gains = np.array([signal.gains for signal in self.signals])
        self._low = np.array([signal.low for signal in self.signals])
        self._high = np.array([signal.high for signal in self.signals])
        self._step = np.array([10.0**signal.decimals for signal in self.signals])
        self._wave = np.array([signal.wave for signal in self.signals])
        self._turn = 2 * np.pi / np.array([signal.period for signal in self.signals])
        self._phase = rng.uniform(0.0, 2 * np.pi, count)
        sigma = np.array([signal.noise for signal in self.signals]) / np.sqrt(len(_NOISE_ROWS))
        self._noise = [rng.standard_normal((rows, count)) * sigma for rows in _NOISE_ROWS]

    def read(self, cycle: int, condition: NDArray[np.float64]) -> NDArray[np.float64]:
        """Readings in steps of each sensor's resolution.

        Args:
            cycle: The cycle, for noise and waves.
            condition: The condition vector (6).

        Returns:
            Whole numbers (n): reading × 10^decimals.
        """
        value = self._gains @ condition
        value += self._wave * condition[1] * np.sin(self._turn * cycle + self._phase)
        for table in self._noise:
            value += table[cycle % len(table)]
        np.minimum(np.maximum(value, self._low), self._high, out=value)
        return np.asarray(np.rint(value * self._step), np.float64)
