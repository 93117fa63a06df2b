"""Penstock's OPC UA connector on a server of many variables: `python -m bench.opcua`.

Value changes: 10,000 monitored items, changed as fast as the server can. The server, also Python,
is slower than the connector, so what counts is the connector's CPU time per change: its inverse is
what one core takes. Browsing: 100,000 variables, by the clock. History: a gap of some seconds in
2,000 items, until it is filled.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connectors.opcua import OpcuaConnector, OpcuaSettings
from penstock.local.ports import free_port
from penstock.settings.tags import Tag

ITEMS = 10_000
WANTED = 20_000
SECONDS = 10.0
BROWSED = 100_000
MISSED = 2_000
GAP_SECONDS = 10.0


def connector(port: int, items: int) -> OpcuaConnector:
    settings = OpcuaSettings.model_validate(
        {
            "type": "opcua", "url": f"opc.tcp://127.0.0.1:{port}/bench", "tags": "tags.csv",
            "security": {"policy": "None", "mode": "None"}, "timeout": "60 s",
            "subscription": {"publish": "500 ms", "sampling": "0 s", "queue": 20},
        }
    )  # fmt: skip
    tags = [
        Tag(asset="bench", tag=f"v{n}", address=f"nsu=urn:bench;s=Value{n:06}")
        for n in range(items)
    ]
    return OpcuaConnector("bench", settings, tags)


@asynccontextmanager
async def server(variables: int, changes: int, *options: str) -> AsyncIterator[int]:
    port = free_port()
    numbers = [str(number) for number in (port, variables, changes)]
    command = [sys.executable, "-m", "bench.opcua_server", *numbers, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        await asyncio.to_thread(process.stdout.readline)
        try:
            yield port
        finally:
            process.kill()


async def changes() -> None:
    async with server(ITEMS, WANTED) as port:
        source = connector(port, ITEMS)
        await source.start()
        seen = 0
        while seen < ITEMS:  # each item's first value
            seen += len((await source.read()).samples)
        begin, cpu, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begin < SECONDS:
            done += len((await source.read()).samples)
        took, used = time.perf_counter() - begin, time.process_time() - cpu
        await source.stop()
    each = f"{used / done * 1e6:.1f} us of CPU time each: {done / used:.0f} a second on one core"
    print(f"{ITEMS} items: {done / took:.0f} changes/s came; {each}", flush=True)


async def browse() -> None:
    async with server(BROWSED, 0) as port:
        source = connector(port, 0)
        begin, cpu = time.perf_counter(), time.process_time()
        found = [node async for node in source.browse()]
        took, used = time.perf_counter() - begin, time.process_time() - cpu
    print(f"{len(found)} nodes browsed in {took:.0f} s, {source.meter.requests} requests, "
          f"{used:.0f} s of our CPU time", flush=True)  # fmt: skip


async def history() -> None:
    async with server(MISSED, MISSED, "history") as port:
        source = connector(port, MISSED)
        await source.start()
        seen = 0
        while seen < MISSED:
            seen += len((await source.read()).samples)
        await source.stop()
        await asyncio.sleep(GAP_SECONDS)
        await source.start()
        begin, cpu, asked = time.perf_counter(), time.process_time(), source.meter.requests
        filled = 0
        while not filled or source._gaps:
            batch = await source.read()
            filled += len(batch.samples) if batch.historical else 0
        took, used = time.perf_counter() - begin, time.process_time() - cpu
        await source.stop()
    print(f"a gap of {GAP_SECONDS:.0f} s in {MISSED} items: {filled} values of history in "
          f"{took:.1f} s, {source.meter.requests - asked} requests, publishes and reads of rights "
          f"included, {used:.1f} s of our CPU time", flush=True)  # fmt: skip


if __name__ == "__main__":
    asyncio.run(changes())
    asyncio.run(browse())
    asyncio.run(history())
