"""What a connector costs its device, measured on a running one."""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Final

import psutil

from penstock.connector import Connector, Meter

_LOOKS: Final = 4
"""How often the sockets are counted in the time."""


@dataclass(frozen=True, slots=True)
class Load:
    """The cost of a source, over a measured time."""

    seconds: float
    sockets: int
    """TCP connections to the device, the most there were."""
    requests: float
    """Per second, as the next ones."""
    bytes_sent: float
    bytes_received: float
    samples: float
    writes: int
    """Requests that could have changed something in the device, in all."""
    errors: int


async def measure(connector: Connector, seconds: float) -> Load:
    """Read a source for a while, as it will be read, from its second batch on.

    Raises:
        DeviceError: It cannot be reached, or the link is lost.
    """
    loop = asyncio.get_running_loop()
    others = _sockets()
    count = [0]
    await connector.start()
    try:
        count[0] += len((await connector.read()).samples)
        reading = asyncio.create_task(_read(connector, count))
        before, samples, begin = replace(connector.meter), count[0], loop.time()
        sockets = 0
        for _ in range(_LOOKS):
            done, _pending = await asyncio.wait({reading}, timeout=seconds / _LOOKS)
            if done:
                reading.result()
            sockets = max(sockets, len(_sockets() - others))
        took = loop.time() - begin
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        return _between(before, connector.meter, took, sockets, count[0] - samples)
    finally:
        await connector.stop()


async def _read(connector: Connector, count: list[int]) -> None:
    while True:
        batch = await connector.read()
        batch.acknowledge()
        count[0] += len(batch.samples)


def _between(before: Meter, after: Meter, took: float, sockets: int, samples: int) -> Load:
    return Load(
        seconds=took,
        sockets=sockets,
        requests=(after.requests - before.requests) / took,
        bytes_sent=(after.bytes_sent - before.bytes_sent) / took,
        bytes_received=(after.bytes_received - before.bytes_received) / took,
        samples=samples / took,
        writes=after.writes,
        errors=after.errors - before.errors,
    )


def _sockets() -> set[tuple[str, int]]:
    """Our ends of this process's outgoing TCP connections."""
    found = psutil.Process().net_connections("tcp")
    listening = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    return {
        (one.laddr.ip, one.laddr.port)
        for one in found
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port not in listening
    }
