"""A part of the factory as a process: `python -m penstock.factory.plc FOLDER NAME`.

That is a PLC, the MQTT broker or the ERP system.

It serves until SIGTERM or Ctrl-C, lets its last cycle be fetched, ends the truth and exits.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock import logs
from penstock.errors import PenstockError
from penstock.factory import nodes
from penstock.factory.broker import BROKER, run_broker
from penstock.factory.device import Device
from penstock.factory.layout import Line
from penstock.factory.machine import Machine
from penstock.factory.model import ERP, Factory, FactoryError, line_of, read_factory
from penstock.factory.registers import Registers
from penstock.runtime.process import end_with_supervisor


def run_plc(folder: Path, plc: str) -> None:
    """Run one PLC of a factory, its MQTT broker or its ERP system, in the foreground.

    Raises:
        FactoryError: There is no such factory or PLC, or its port is taken.
    """
    if plc == BROKER:
        run_broker(read_factory(folder))
        return
    if plc == ERP:
        from penstock.factory.erp import run_erp  # noqa: PLC0415  # loads Kafka's client

        run_erp(folder)
        return
    asyncio.run(_run(folder, plc))


async def _run(folder: Path, plc: str) -> None:
    line = line_of(plc)
    factory = read_factory(folder)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logs.configure(f"plc/{plc}")
    try:
        device = await _serve(factory, line, stop)
    except (OSError, RuntimeError) as error:
        msg = f"{plc} cannot serve: {error}"
        raise FactoryError(
            msg, where=factory.url(line), remedy="is the port taken by another program?"
        ) from error
    device.truth.close(device.cycle())


async def _serve(factory: Factory, line: Line, stop: asyncio.Event) -> Device:
    # Each imports its own protocol's library, which costs a restarting PLC time.
    if line.protocol == "opcua":
        from penstock.factory import opcua_plc  # noqa: PLC0415

        device = Device(factory, line, _typed_sensors)
        await opcua_plc.serve(device, stop)
    elif line.protocol == "mqtt":
        from penstock.factory import mqtt_plc  # noqa: PLC0415

        device = Device(factory, line, _typed_sensors)
        await mqtt_plc.serve(device, stop)
    else:
        from penstock.factory import modbus_plc  # noqa: PLC0415

        device = Device(factory, line, _modbus_sensors)
        await modbus_plc.serve(device, stop)
    return device


def _typed_sensors(machine: Machine) -> Sequence[Mapping[str, Any]]:
    count = len(machine.sensors.signals)
    return [{"as": "float32" if nodes.is_float(index) else "number"} for index in range(count)]


def _modbus_sensors(machine: Machine) -> Sequence[Mapping[str, Any]]:
    slots = Registers(machine.sensors.signals).slots[-len(machine.sensors.signals) :]
    return [
        {"as": "float32"} if slot.type == "float32" else {"as": "number", "scale": slot.scale}
        for slot in slots
    ]


if __name__ == "__main__":
    end_with_supervisor()
    try:
        run_plc(Path(sys.argv[1]), sys.argv[2])
    except PenstockError as error:
        sys.exit(f"{error.code} {error}")
