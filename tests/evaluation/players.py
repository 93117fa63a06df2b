"""Real servers that show a series row by row; none goes on before the present row was taken."""

import asyncio
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness import free_port
from opcua_server import NAMESPACE, Certificates, OpcuaServer
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from series import EPOCH, Series

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
    """Holding registers: the row's time, then its values as float64 in all four orders by turns.

    Every request reads the next row. Once the last was read it stays.
    """

    async def start(self) -> None:
        self._images = [self._image(at) for at in range(len(self.series))]
        self.read = 0
        size = len(self._images[0])
        registers = SimData(0, count=size, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, [registers], action=self._answer)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)

    async def _answer(
        self,
        _function: int,
        _start: int,
        _address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> None:
        assert written is None
        image = self._images[min(self.read, len(self.series) - 1)]
        assert count == len(image), "clock and values come in one answer"
        registers[:count] = image
        self.read += 1

    def _image(self, at: int) -> list[int]:
        image = list(struct.unpack(">4H", struct.pack(">q", self.series.times[at])))
        for number, value in enumerate(self.series.values[at]):
            words = struct.unpack(">4H", struct.pack(">d", value))
            order = ORDERS[number % 4]
            if order in {"CDAB", "DCBA"}:
                words = words[::-1]
            if order in {"BADC", "DCBA"}:
                words = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
            image.extend(words)
        return image

    async def play(self, acknowledged: Acknowledged) -> None:
        while await acknowledged() < self.series.samples:
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await self._server.shutdown()

    def settings(self) -> dict[str, Any]:
        return {
            "type": "modbus",
            "host": "127.0.0.1",
            "port": self.port,
            "poll": "1 ms",
            "limits": {"timeout": "20 s"},
            "clock": {"address": "40001", "type": "uint64", "resolution": "1 us"},
        }

    def rows(self) -> list[dict[str, str]]:
        return [
            {
                "tag": tag,
                "address": f"1/{40005 + 4 * at}",
                "type": "float64",
                "order": ORDERS[at % 4],
            }
            for at, tag in enumerate(self.series.tags)
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
