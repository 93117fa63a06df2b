"""A connection as a device wants it: one request at a time, and only such as read.

The frames are pymodbus's, the transport is asyncio's. pymodbus's own client would not say why a
connection failed, would wait out its time-out after the device hung up, break off over bytes that
it cannot decode, and lose cancellations up to Python 3.11; it also takes longer (bench/modbus.py).
"""

import asyncio
import struct
from typing import Final

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest

from connectors.modbus.errors import NoAnswerError
from connectors.modbus.raw import RawHoldingRegisters, RawInputRegisters
from connectors.modbus.registers import Table
from penstock.connector import Meter
from penstock.errors import DeviceError

READ_ONLY: Final = frozenset({*Table, ReadDeviceInformationRequest.function_code})
"""The only function codes that ever leave this connector."""
LAST_NUMBER: Final = 65000
"""Of a transaction, after which they begin again."""


def framer(*, rtu: bool) -> FramerBase:
    """Makes and reads the frames of one connection."""
    decoder = DecodePDU(is_server=False)
    decoder.register(RawHoldingRegisters)
    decoder.register(RawInputRegisters)
    return FramerRTU(decoder) if rtu else FramerSocket(decoder)


class Client(asyncio.Protocol):
    """One connection, from `connect` to `close`.

    Args:
        host: Name or IP address.
        port: TCP port.
        rtu: Whether frames are those of a serial line.
        timeout: Seconds for the connection, and for an answer.
        meter: Counts requests and bytes.
        where: Source and address, for errors.
    """

    def __init__(
        self, host: str, port: int, *, rtu: bool, timeout: float, meter: Meter, where: str
    ) -> None:
        self._address = host, port
        self._framer = framer(rtu=rtu)
        self.numbered = not rtu
        """Whether all answers bore their request's number; some devices put 0 in its place."""
        self._timeout = timeout
        self._meter, self._where = meter, where
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._request = ModbusPDU()
        self._number = 0
        self._unanswered: set[tuple[int, int]] = set()
        """Units and functions of requests whose answers may still come on this connection."""
        self._answer: asyncio.Future[ModbusPDU] | None = None
        self._deadline = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._rest = b""
        self.heard = b""
        """What has come since the last request, as far as it was not understood before."""

    @property
    def connected(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None

    async def connect(self) -> None:
        """Connect.

        Raises:
            OSError: The device does not accept a connection; `TimeoutError`: nor refuse it.
        """
        async with asyncio.timeout(self._timeout):
            await asyncio.get_running_loop().create_connection(lambda: self, *self._address)

    def close(self) -> None:
        """Let go of the connection; a request under way ends with `NoAnswerError`."""
        self._closed = True
        self._abandon("the connection was closed")
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        if self._transport:
            self._transport.close()
            self._transport = None

    async def ask(self, request: ModbusPDU) -> ModbusPDU:
        """Send a request and wait for its answer.

        Raises:
            NoAnswerError: There was none, in time or at all, or it was nonsense.
            DeviceError: The request would not only read; nothing is sent.
        """
        if not self._transport:
            msg = "the connection was closed"
            raise NoAnswerError(msg)
        if request.function_code not in READ_ONLY:
            msg = f"function {request.function_code} is not one of those that only read"
            raise DeviceError(msg, where=self._where, remedy="this connector is read-only")
        request.transaction_id = self._number = self._number % LAST_NUMBER + 1
        self._request = request
        frame = self._framer.buildFrame(request)
        self._rest = self.heard = b""
        self._answer = self._expected()
        self._meter.requests += 1
        self._meter.bytes_sent += len(frame)
        self._transport.write(frame)
        try:
            return await self._answer
        except BaseException:
            self._unanswered.add((request.dev_id, request.function_code))
            raise

    def _expected(self) -> "asyncio.Future[ModbusPDU]":
        """What the answer will be, or an error at the deadline.

        One timer serves many requests: to set one each time costs a tenth of a request.
        """
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._timeout
        if not self._expiry:
            self._expiry = loop.call_at(self._deadline, self._expire)
        return loop.create_future()

    def _expire(self) -> None:
        self._expiry = None
        if not self._answer or self._answer.done():
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            self._expiry = loop.call_at(self._deadline, self._expire)
        else:
            self._abandon(f"no answer within {self._timeout:g} s")

    def _abandon(self, message: str) -> None:
        """End the request under way, if there is one."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(NoAnswerError(message))
            self._answer.exception()  # Nobody may be waiting; that is no error.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call once there is a connection."""
        assert isinstance(transport, asyncio.Transport)
        if self._closed:  # while the connection was made
            transport.abort()
        else:
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call once there is none any more."""
        self._transport = None
        self._abandon("the device hung up")

    def data_received(self, data: bytes) -> None:
        """Asyncio's call with a frame, a part of one, or nonsense, which costs the request."""
        self._meter.bytes_received += len(data)
        self.heard = data = self._rest + data
        try:
            used, answer = self._first_answer(data)
        except (ModbusException, IndexError, ValueError, struct.error):
            self._rest = b""
            self._abandon("the device answered nonsense")
            return
        self._rest = data[used:] if len(data) - used <= self._framer.MAX_SIZE else b""
        if answer:
            self._take(answer)

    def _first_answer(self, data: bytes) -> tuple[int, ModbusPDU | None]:
        """How many bytes are done with, and the answer with which they end, if there is one.

        Before it there may be empty frames, and answers that come late. No more than the longest
        frame is looked at at once, for the framer's work grows with the square of what it is given.
        """
        used = 0
        answer: ModbusPDU | None = None
        while not answer:
            step, answer = self._framer.handleFrame(
                data[used : used + self._framer.MAX_SIZE],
                self._request.dev_id,
                self._request.transaction_id,
            )
            if not step:
                break
            used += step
        return used, answer

    def _take(self, answer: ModbusPDU) -> None:
        """Give an answer to who waits for it, if it cannot be another request's."""
        numbered = answer.transaction_id != 0
        self.numbered = self.numbered and numbered
        if not self._answer or self._answer.done():
            return
        asked = self._request.dev_id, self._request.function_code
        if not numbered and asked in self._unanswered:
            self._abandon("an answer without a number came after one that did not come in time")
        else:
            self._answer.set_result(answer)
