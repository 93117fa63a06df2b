"""A Modbus device of one's own making: answers, keeps silent, refuses, stammers or lies on demand.

The real server of `modbus_harness` speaks well; this one, a bare TCP server, can do all else.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from harness import ASSET

from connectors.modbus import ModbusConnector
from penstock.local.ports import free_port
from penstock.settings.tags import Tag


class Request(NamedTuple):
    """A read as it arrived."""

    unit: int
    function: int
    start: int
    count: int
    number: int
    """The transaction's identifier."""


def answer(request: Request, registers: list[int]) -> bytes:
    """A proper answer."""
    content = struct.pack(f">{len(registers)}H", *registers)
    return frame(request, struct.pack(">BB", request.function, len(content)) + content)


def refusal(request: Request, exception: int) -> bytes:
    """An exception response."""
    return frame(request, bytes([request.function | 0x80, exception]))


def frame(request: Request, pdu: bytes) -> bytes:
    """A PDU with the header that belongs to a request."""
    return struct.pack(">HHHB", request.number, 0, len(pdu) + 1, request.unit) + pdu


Behaviour = Callable[["Device", Request], Awaitable[bytes | None]]


class Device:
    """Holding registers, each of which holds its own address, unless `behave` decides otherwise.

    Args:
        behave: Gives the bytes to send, none to keep silent, or None to hang up.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.port = free_port()
        self.requests: list[Request] = []
        self.connections = 0
        self._links: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Device":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for link in self._links:
            link.transport.abort()
        await self._server.wait_closed()

    def connector(self, *rows: tuple[str, str], **settings: object) -> ModbusConnector:
        """A connector of tags of address and type, each named as its address."""
        return connector_to(self.port, *rows, **settings)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        self.connections += 1
        try:
            while True:
                number, _, length = struct.unpack(">HHH", await reader.readexactly(6))
                pdu = await reader.readexactly(length)
                if len(pdu) < 2:
                    break  # It was no Modbus/TCP frame.
                start, count = struct.unpack(">HH", pdu[2:6].ljust(4, b"\0"))
                request = Request(pdu[0], pdu[1], start, count, number)
                self.requests.append(request)
                data = await self.behave(self, request)
                if data is None:
                    break
                writer.write(data)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The connection, or the test, is over.
        finally:
            self._links.discard(writer)
            writer.close()


async def well(device: Device, request: Request) -> bytes:
    """Each register holds its own address."""
    return answer(request, list(range(request.start, request.start + request.count)))


def connector_to(port: int, *rows: tuple[str, str], **settings: object) -> ModbusConnector:
    """A connector of zero-based addresses, each a tag of that name, polled every 20 ms."""
    limits = {"timeout": "200 ms", "gap": 0, **settings.pop("limits", {})}  # type: ignore[dict-item]
    model = ModbusConnector.Settings.model_validate(
        {
            "type": "modbus",
            "host": "127.0.0.1",
            "port": port,
            "addressing": "zero-based",
            "poll": "20 ms",
            "tags": "tags.csv",
            "limits": limits,
            **settings,
        }
    )
    tags = [
        Tag(asset=ASSET, tag=address, address=address, type=type_ or None)
        for address, type_ in rows
    ]
    return ModbusConnector("plc", model, tags)
