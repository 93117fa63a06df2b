"""Penstock's Modbus connector beside a bare pymodbus loop: `python -m bench.modbus`.

50 devices at once, each asked without rest for 30 float32 in one request of 60 registers, over one
connection each. The bare loop awaits `read_holding_registers` of pymodbus's own client, which
decodes the registers, and throws them away. Penstock's connector plans, asks, decodes, and makes 30
samples with time and quality of each answer; to publish them is no part of it. Both take short
turns in one process, so that what else the machine does hits both. Compared are requests a second,
and CPU time a request, as medians over the turns.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from pymodbus.client import AsyncModbusTcpClient

from connectors.modbus import ModbusConnector, ModbusSettings
from penstock.local.ports import free_port
from penstock.settings.tags import Tag

DEVICES = 50
REGISTERS = 60
ROUNDS = 15
SECONDS = 0.5
TIMEOUT = 20
DELAYS = (0, 4)


class Round(NamedTuple):
    """What one side did in its turn."""

    per_second: float
    cpu_us: float


class Bare:
    """A loop of pymodbus's own client."""

    def __init__(self, port: int) -> None:
        self._client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=TIMEOUT, retries=0)

    async def start(self) -> None:
        await self._client.connect()

    async def run(self, stop: float) -> int:
        done = 0
        while time.perf_counter() < stop:
            answer = await self._client.read_holding_registers(0, count=REGISTERS, device_id=1)
            assert len(answer.registers) == REGISTERS
            done += 1
        return done

    async def stop(self) -> None:
        self._client.close()


class Penstock:
    """The connector."""

    def __init__(self, port: int) -> None:
        settings = ModbusSettings.model_validate(
            {
                "type": "modbus", "host": "127.0.0.1", "port": port, "tags": "tags.csv",
                "addressing": "zero-based", "poll": "1 us",
                "limits": {"registers_per_read": REGISTERS, "timeout": f"{TIMEOUT} s"},
            }
        )  # fmt: skip
        tags = [
            Tag(asset="pump", tag=f"t{at}", address=f"1/hr:{at}", type="float32")
            for at in range(0, REGISTERS, 2)
        ]
        self._connector = ModbusConnector("pump", settings, tags)
        self.start, self.stop = self._connector.start, self._connector.stop

    async def run(self, stop: float) -> int:
        while time.perf_counter() < stop:
            assert len((await self._connector.read()).samples) == REGISTERS // 2
        return self._connector.meter.requests


async def turn(side: type[Bare] | type[Penstock], port: int) -> Round:
    """Let one side have all the time there is."""
    devices = [side(port) for _ in range(DEVICES)]
    for device in devices:
        await device.start()
    cpu, begin = time.process_time(), time.perf_counter()
    done = sum(await asyncio.gather(*(device.run(begin + SECONDS) for device in devices)))
    took, used = time.perf_counter() - begin, time.process_time() - cpu
    for device in devices:
        await device.stop()
    return Round(done / took, used / done * 1e6)


@asynccontextmanager
async def server(delay_ms: int) -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.modbus_server", str(port), str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        await asyncio.to_thread(process.stdout.readline)
        try:
            yield port
        finally:
            process.kill()


async def compare(delay_ms: int) -> tuple[list[Round], list[Round]]:
    async with server(delay_ms) as port:
        pairs = [(await turn(Bare, port), await turn(Penstock, port)) for _ in range(ROUNDS)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def main() -> None:
    print("| answers after | bare pymodbus | Penstock | ratio | CPU a request, bare | Penstock |")
    print("|---|---|---|---|---|---|")
    for delay in DELAYS:
        ones, others = asyncio.run(compare(delay))
        ratio = statistics.median(
            o.per_second / b.per_second for b, o in zip(ones, others, strict=True)
        )
        cells = [
            statistics.median(column)
            for side in (ones, others)
            for column in zip(*side, strict=True)
        ]
        print(f"| {delay} ms | {cells[0]:.0f}/s | {cells[2]:.0f}/s | {ratio:.2f} "
              f"| {cells[1]:.0f} us | {cells[3]:.0f} us |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
