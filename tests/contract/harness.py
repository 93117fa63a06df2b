"""What the contract suite needs of a protocol: a real server, and ways to be unkind to it.

A protocol joins the suite with a file `<registered name>_harness.py` beside this one, which holds a
subclass of `Harness` and names it `HARNESS`.
"""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar

from penstock.connector import Connector, Sample
from penstock.local.ports import free_port

ASSET = "acme/bremen/stamping/line1/press07"
GOOD_TAGS: dict[str, float | bool | str] = {"temperature": 20.5, "running": True, "lot": "L-0001"}
"""Tags that every harness's server has, with the values that it starts with."""
MISSING_TAG = "missing"
"""A tag of the list whose address the server does not have."""


async def until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until a condition holds; fail, saying what did not come, after a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


class Harness(ABC):
    """One real server on one port of loopback, and connectors that read it.

    The server runs on the test's event loop or in a process of its own; its port stays the same
    from the first `start` to the end.

    Args:
        folder: For certificates and whatever else the server keeps.
    """

    component: ClassVar[type[Connector]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    @abstractmethod
    async def start(self) -> None:
        """Start the server, or start it again; the values are those of `GOOD_TAGS` again."""

    @abstractmethod
    async def kill(self) -> None:
        """End the server at once, with all its connections; nothing listens on the port after."""

    @abstractmethod
    async def set_value(self, tag: str, value: float | bool | str) -> None:
        """Give a tag another value in the server."""

    @abstractmethod
    def connector(self, *, port: int | None = None) -> Connector:
        """A connector for the tags of `GOOD_TAGS` and `MISSING_TAG`, all of asset `ASSET`.

        Its settings are those for a quick local device: polls or publishes every 50 ms, gives up
        on an answer after 2 s.

        Args:
            port: Another port than the server's.
        """

    @abstractmethod
    def writes(self) -> list[str]:
        """All requests that arrived at the server and could have changed something in it."""

    async def close(self) -> None:
        """Let go of everything, at the end of a test."""
        await self.kill()


@contextlib.asynccontextmanager
async def started(connector: Connector) -> AsyncIterator[Connector]:
    """Start a connector and, whatever happens, stop it."""
    await connector.start()
    try:
        yield connector
    finally:
        await connector.stop()


async def read_until(
    connector: Connector, enough: Callable[[list[Sample]], bool], seconds: float = 10
) -> list[Sample]:
    """Read until what was read is enough; fail with what was read after a deadline."""
    samples: list[Sample] = []
    try:
        async with asyncio.timeout(seconds):
            while not enough(samples):
                samples.extend((await connector.read()).samples)
    except TimeoutError:
        last = {sample.tag: sample for sample in samples}
        message = f"not within {seconds} s; {len(samples)} samples read, the last: {last}"
        raise AssertionError(message) from None
    return samples
