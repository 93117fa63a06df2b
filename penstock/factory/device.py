"""What all kinds of PLC have in common: machines, the clock's grid and the truth."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from penstock.clock import Clock, now
from penstock.factory.layout import SITE, Line
from penstock.factory.machine import FIELDS, Machine
from penstock.factory.model import Factory
from penstock.factory.schedule import CYCLE_US
from penstock.factory.truth import TruthWriter, last_cycle
from penstock.memory import collect_rarely

_LONG_AWAY: Final = 36_000
"""Cycles (an hour) that were not told of and are not told of later, either."""
_DRAIN: Final = 2.0
"""Seconds that a stopping PLC waits for its last cycle to be fetched."""
_LOOK: Final = 0.02
_SEND: Final = 0.05
"""Seconds in which what was sent last leaves the socket."""


class Device:
    """A PLC with its machines, brought to the present cycle.

    Args:
        factory: The factory that it belongs to.
        line: The line that it serves.
        sensors: How the truth records each of a machine's sensors (`as`, `scale`).
        clock: The wall clock.
    """

    def __init__(
        self,
        factory: Factory,
        line: Line,
        sensors: Callable[[Machine], Sequence[Mapping[str, Any]]],
        *,
        clock: Clock = now,
    ) -> None:
        self.port = factory.port(line)
        self.factory = factory
        self.line = line
        self.machines = [
            Machine(place, seed=factory.seed, speed=factory.speed) for place in line.places
        ]
        self._clock = clock
        self._frozen: int | None = None
        started = clock()
        present = self.cycle()
        first = min(present, last_cycle(factory.folder, line.plc) or 0)
        if present - first > _LONG_AWAY:
            first = present
        for machine in self.machines:
            machine.advance(first)
        self.truth = TruthWriter(
            factory.folder,
            line.plc,
            self.machines,
            [_asset(machine, sensors(machine)) for machine in self.machines],
            t0=factory.t0,
            first=first,
            started=started,
        )
        self.truth.advance(self.cycle())

    def cycle(self) -> int:
        """The present cycle; the last one, once frozen."""
        if self._frozen is not None:
            return self._frozen
        return max(0, (self._clock() - self.factory.t0) // CYCLE_US)

    def time(self, cycle: int) -> int:
        """Time of a cycle in µs since 1970-01-01 UTC, exactly on the grid."""
        return self.factory.t0 + cycle * CYCLE_US

    def until(self, cycle: int) -> float:
        """Seconds until a cycle begins; 0 if it has begun."""
        return max(0.0, (self.time(cycle) - self._clock()) / 1e6)

    def freeze(self, cycle: int | None = None) -> None:
        """Produce no cycle after this one; by default, the present one."""
        self._frozen = self.cycle() if cycle is None else cycle

    def ready(self) -> None:
        """Tell who started the process that it serves."""
        collect_rarely()  # A pause of the process is a PLC that stands still.
        machines = len(self.machines)
        sys.stdout.write(f"{self.line.plc}: {machines} machines at {self.factory.url(self.line)}\n")
        sys.stdout.flush()


async def drained(done: Callable[[], bool]) -> None:
    """Wait until a stopping PLC's clients have all that it has, but not for ever."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAIN
    while not done() and loop.time() < deadline:
        await asyncio.sleep(_LOOK)
    await asyncio.sleep(_SEND)


def _asset(machine: Machine, sensors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [
        {"tag": field.name, "as": "text" if field.text else "number", "role": str(field.role)}
        for field in FIELDS
    ]
    signals = [
        {"tag": signal.name, **how}
        for signal, how in zip(machine.sensors.signals, sensors, strict=True)
    ]
    return {"asset": f"{SITE}/{machine.place.asset}", "tags": [*fields, *signals]}
