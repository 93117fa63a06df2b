"""The PLC that speaks Modbus TCP: one unit per machine.

A unit's registers are computed when it is read, for the cycle of that moment: so clock and values
of one answer always belong to one cycle, however late the event loop is.
"""

import asyncio
from functools import partial

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from penstock.factory.device import Device, drained
from penstock.factory.machine import Machine, Reading
from penstock.factory.registers import CLOCK_REGISTERS, Registers

_HEARTBEAT: float = 0.5


class Unit:
    """One machine behind a Modbus unit id.

    Args:
        index: Its place in the truth's header.
        machine: The machine.
        device: What it has in common with the PLC's other units.
    """

    def __init__(self, index: int, machine: Machine, device: Device) -> None:
        self.registers = Registers(machine.sensors.signals)
        self._index = index
        self._machine = machine
        self._device = device
        self._reading: Reading | None = None
        self._unsent = [True] * len(self.registers.slots)
        self._image: list[int] = []
        self.was_read = False

    @property
    def drained(self) -> bool:
        """Whether its present cycle has been read by whoever reads it; true if nobody does."""
        if not self.was_read:
            return True
        last = self._reading is not None and self._reading.cycle == self._device.cycle()
        return last and not any(self._unsent)

    async def answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers to the present cycle before they are read; refuse writes."""
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        self._refresh()
        registers[: len(self._image)] = self._image
        if address < CLOCK_REGISTERS:
            self._record(address + count)
        return None

    def _refresh(self) -> None:
        cycle = self._device.cycle()
        if self._reading is None or self._reading.cycle != cycle:
            self._device.truth.advance(cycle)
            self._reading = self._machine.read(cycle)
            self._image = self.registers.pack(self._reading, self._device.time(cycle))
            self._unsent = [True] * len(self.registers.slots)

    def _record(self, end: int) -> None:
        """Log what an answer that holds the clock and the registers up to `end` carries."""
        assert self._reading is not None
        slots = self.registers.slots
        fresh = [i for i, s in enumerate(slots) if self._unsent[i] and s.register + s.count <= end]
        if not fresh:
            return
        self.was_read = True
        values = self.registers.logged(self._reading)
        cycle = self._reading.cycle
        if len(fresh) == len(slots):
            self._device.truth.samples([(self._index, cycle, values)])
        else:
            chosen = [values[i] for i in fresh]
            self._device.truth.samples([(self._index, cycle, chosen, fresh)])
        for i in fresh:
            self._unsent[i] = False


async def serve(device: Device, stop: asyncio.Event) -> None:
    """Serve until asked to stop; then answer until the last cycle has been read, 2 s at most."""
    units = [Unit(index, machine, device) for index, machine in enumerate(device.machines)]
    simulated = [
        SimDevice(
            number,
            [SimData(0, count=unit.registers.count, values=0, datatype=DataType.REGISTERS)],
            action=partial(Unit.answer, unit),
        )
        for number, unit in enumerate(units, 1)
    ]
    server = ModbusTcpServer(simulated, address=("127.0.0.1", device.port))
    await server.serve_forever(background=True)
    device.ready()
    while not stop.is_set():
        device.truth.reached(device.cycle())
        try:
            await asyncio.wait_for(stop.wait(), _HEARTBEAT)
        except TimeoutError:
            continue
    device.freeze()
    await drained(lambda: all(unit.drained for unit in units))
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
