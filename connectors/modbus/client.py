"""pymodbus's client as a device wants it: one request at a time, and only such as read."""

import asyncio
import struct
from collections.abc import Awaitable
from typing import Final, TypeVar

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest

from connectors.modbus.errors import NoAnswerError
from connectors.modbus.raw import RawHoldingRegisters, RawInputRegisters
from connectors.modbus.registers import Table
from penstock.connector import Meter
from penstock.errors import DeviceError

READ_ONLY: Final = frozenset({*Table, ReadDeviceInformationRequest.function_code})
"""The only function codes that ever leave this connector."""
NEVER: Final = 1 << 30

T = TypeVar("T")


async def _heeding_cancel(what: Awaitable[T]) -> T:
    """Await; a cancellation that comes together with the result is a cancellation.

    `asyncio.wait_for`, which pymodbus uses, loses it up to Python 3.11, and whoever cancelled would
    wait for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await what
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


class Client:
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
        self._timeout = timeout
        self._meter, self._where = meter, where
        self.heard = b""
        """What has come since the last request."""
        self._seen = 0
        self._client = AsyncModbusTcpClient(
            host,
            port=port,
            framer=FramerType.RTU if rtu else FramerType.SOCKET,
            timeout=timeout,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._count_bytes,
            trace_pdu=self._let_reads_pass,
            trace_connect=lambda up: None if up else self._abandon("the device hung up"),
        )
        self._client.set_max_no_responses(NEVER)  # Whether a link is dead is judged by who reads.
        self._client.register(RawHoldingRegisters)
        self._client.register(RawInputRegisters)
        self._refuse_nonsense()

    @property
    def connected(self) -> bool:
        """Whether a request can be sent."""
        return self._client.connected

    async def connect(self) -> bool:
        """Whether the device accepts a connection; pymodbus does not say why not."""
        return await _heeding_cancel(self._client.connect())

    def close(self) -> None:
        """Let go of the connection; a request under way ends with `NoAnswerError`."""
        self._abandon("the connection was closed")
        self._client.close()

    async def ask(self, request: ModbusPDU) -> ModbusPDU:
        """Send a request and wait for its answer, as pymodbus's `execute` does.

        Its lock and its `asyncio.wait_for` are left away: there is one request at a time here, and
        the latter costs a third of a request and loses cancellations up to Python 3.11.

        Raises:
            NoAnswerError: There was none, in time or at all.
            ModbusException: What came is no answer to this.
        """
        context, loop = self._client.ctx, asyncio.get_running_loop()
        if not context.transport:
            msg = "the connection was closed"
            raise NoAnswerError(msg)
        request.transaction_id = context.getNextTID()
        context.recv_buffer = b""
        context.response_future = answer = loop.create_future()
        expiry = loop.call_later(
            self._timeout, self._abandon, f"no answer within {self._timeout:g} s"
        )
        try:
            context.pdu_send(request)
            found: ModbusPDU = await answer
            return found
        finally:
            expiry.cancel()

    def _abandon(self, message: str) -> None:
        """End the request under way. pymodbus would wait for its time-out."""
        if not (answer := self._client.ctx.response_future).done():
            answer.set_exception(NoAnswerError(message))
            answer.exception()  # Nobody may be waiting; that is no error.

    def _refuse_nonsense(self) -> None:
        """Let undecodable bytes cost the request, where pymodbus would break the connection."""
        receive = self._client.ctx.callback_data

        def guarded(data: bytes, addr: tuple[str, int] | None = None) -> int:
            try:
                return receive(data, addr)
            except (ModbusException, IndexError, ValueError, struct.error):
                self._abandon("the device answered nonsense")
                return len(data)

        self._client.ctx.callback_data = guarded  # type: ignore[method-assign] # pymodbus has no hook

    def _count_bytes(self, sending: bool, data: bytes) -> bytes:
        """Count bytes; pymodbus shows a part that it had seen again with the next part."""
        if sending:
            self._meter.bytes_sent += len(data)
            self._seen = 0
            self.heard = b""
        else:
            self._meter.bytes_received += max(0, len(data) - self._seen)
            self._seen = len(data)
            self.heard = data
        return data

    def _let_reads_pass(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Count requests, and let none out that could change anything in the device."""
        if sending:
            if pdu.function_code not in READ_ONLY:
                msg = f"function {pdu.function_code} is not one of those that only read"
                raise DeviceError(msg, where=self._where, remedy="this connector is read-only")
            self._meter.requests += 1
        return pdu
