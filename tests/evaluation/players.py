"""Real servers that show a series row by row; none goes on before the present row was taken."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from opcua_server import NAMESPACE, Certificates, OpcuaServer
from series import EPOCH, Series

from penstock.history.modbus_server import ModbusServer
from penstock.history.reel import Reel
from penstock.history.server import Address
from penstock.history.table import Table
from penstock.local.ports import free_port

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
QUEUE = 1000
"""Values of one tag that the OPC UA server is asked to keep between two publishes."""

Acknowledged = Callable[[], Awaitable[int]]
"""How many samples Kafka has acknowledged to the connector."""


class Player(ABC):
    """One series on one server.

    Args:
        series: What to show.
        folder: For certificates.
    """

    def __init__(self, series: Series, folder: Path) -> None:
        self.series = series
        self.folder = folder
        self.port = free_port()

    @abstractmethod
    async def start(self) -> None:
        """Start the server; it shows the first row."""

    @abstractmethod
    async def play(self, acknowledged: Acknowledged) -> None:
        """Show the other rows, each when the one before was taken; return when the last was."""

    @abstractmethod
    async def stop(self) -> None:
        """End the server."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The source's section of a configuration."""

    @abstractmethod
    def rows(self) -> list[dict[str, str]]:
        """The tag list, but for the assets."""


class ModbusPlayer(Player):
    """The server of `penstock replay`, with float64 in all four orders by turns."""

    async def start(self) -> None:
        table = Table(self.folder, self.series.times, self.series.tags, self.series.values, None)
        reel = Reel(("",), (table,), "")
        self._server = ModbusServer(reel, Address("127.0.0.1", self.port), ORDERS)
        await self._server.start(0)

    async def play(self, acknowledged: Acknowledged) -> None:
        row = 0
        while row < len(self.series):
            row = await self._server.show(row, len(self.series))
            await asyncio.sleep(0.05)
        while await acknowledged() < self.series.samples:
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await self._server.stop()

    def settings(self) -> dict[str, Any]:
        limits = self._server.settings()["limits"] | {"timeout": "20 s"}
        return {
            "type": "modbus",
            **self._server.settings(),
            "poll": "1 ms",
            "limits": limits,
            "stale_after": "10 min",  # the last row stays until all series are through
        }

    def rows(self) -> list[dict[str, str]]:
        return [
            {name: cell for name, cell in row.items() if name != "asset"}
            for row in self._server.tags()
        ]


class OpcuaPlayer(Player):
    """Variables whose source time is the row's, over SignAndEncrypt with certificates and a user.

    It writes no more rows than the queues that the connector asks for can hold, and waits until
    Kafka has them.
    """

    async def start(self) -> None:
        self._certificates = Certificates(self.folder)
        self._server = OpcuaServer(self.port, self._certificates)
        await self._server.start(dict.fromkeys(self.series.tags, 0.0))
        await self._write(0)

    async def _write(self, row: int) -> None:
        time = EPOCH + timedelta(microseconds=int(self.series.times[row]))
        for tag, value in zip(self.series.tags, self.series.values[row].tolist(), strict=True):
            await self._server.write(tag, value, source=time)

    async def play(self, acknowledged: Acknowledged) -> None:
        shown = 1
        while True:
            while await acknowledged() < shown * len(self.series.tags):
                await asyncio.sleep(0.02)
            if shown == len(self.series):
                return
            for row in range(shown, min(shown + QUEUE, len(self.series))):
                await self._write(row)
                await asyncio.sleep(0)
                shown += 1

    async def stop(self) -> None:
        await self._server.kill()

    def settings(self) -> dict[str, Any]:
        security = {name: str(value) for name, value in self._certificates.security().items()}
        return {
            "type": "opcua",
            "url": self._server.url,
            "security": {"policy": "Basic256Sha256", "mode": "SignAndEncrypt"} | security,
            "subscription": {
                "publish": "50 ms",
                "sampling": "50 ms",
                "queue": QUEUE,
                "trigger": "StatusValueTimestamp",
            },
        }

    def rows(self) -> list[dict[str, str]]:
        return [{"tag": tag, "address": f"nsu={NAMESPACE};s={tag}"} for tag in self.series.tags]


PLAYERS: dict[str, type[Player]] = {"modbus": ModbusPlayer, "opcua": OpcuaPlayer}
