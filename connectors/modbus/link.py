"""One TCP connection to a Modbus device: asks, and tells a refusal from silence from nonsense."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from connectors.modbus.raw import RawHoldingRegisters, RawInputRegisters
from connectors.modbus.registers import Table
from connectors.modbus.replies import judged
from penstock.connector import Meter
from penstock.errors import DeviceError

REQUESTS: Final[dict[Table, type[ModbusPDU]]] = {
    Table.COILS: ReadCoilsRequest,
    Table.DISCRETE_INPUTS: ReadDiscreteInputsRequest,
    Table.HOLDING_REGISTERS: ReadHoldingRegistersRequest,
    Table.INPUT_REGISTERS: ReadInputRegistersRequest,
}
READ_ONLY: Final = frozenset({*Table, ReadDeviceInformationRequest.function_code})
"""The only function codes that ever leave this connector."""
ILLEGAL: Final = {ExcCodes.ILLEGAL_FUNCTION, ExcCodes.ILLEGAL_ADDRESS, ExcCodes.ILLEGAL_VALUE}
UNREACHED: Final = {ExcCodes.GATEWAY_PATH_UNAVIABLE, ExcCodes.GATEWAY_NO_RESPONSE}
NEVER: Final = 1 << 30
OBJECTS: Final = ("vendor", "product", "revision")
"""What the first objects of a device identification say."""


class NoAnswerError(DeviceError):
    """The device did not answer in time, answered nonsense, or hung up."""


class RefusedError(DeviceError):
    """The device answered with a Modbus exception.

    Args:
        exception: Its code.
        message: What was asked.
    """

    def __init__(self, exception: int, message: str) -> None:
        self.exception = exception
        names = {code.value: code.name.lower().replace("_", " ") for code in ExcCodes}
        super().__init__(f"{message}: {names.get(exception, f'exception {exception}')}")


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


class Link:
    """A connection that may be opened, lost and opened again; each time with a new client.

    Args:
        host: Name or IP address.
        port: TCP port.
        rtu: Whether the device wants RTU frames (of a serial line) over TCP. Their answers carry no
            number that would tell one that comes late from the next, so the connection is closed
            when an answer does not come: what comes later has nowhere to go.
        timeout: Seconds for a connection, and for an answer.
        pause: Seconds between an answer and the next request.
        meter: Counts requests, bytes and errors.
        where: Source and address, for errors.
    """

    def __init__(
        self, host: str, port: int, *, rtu: bool, timeout: float, pause: float, meter: Meter,
        where: str,
    ) -> None:  # fmt: skip
        self._host, self._port, self._rtu = host, port, rtu
        self._timeout, self._pause = timeout, pause
        self._meter, self._where = meter, where
        self._client: AsyncModbusTcpClient | None = None
        self._free_at = 0.0
        self._seen = 0
        self._heard = b""
        self._requests: dict[tuple[int, Table, int, int], ModbusPDU] = {}

    @property
    def connected(self) -> bool:
        """Whether a request can be sent."""
        return self._client is not None and self._client.connected

    async def open(self) -> None:
        """Connect.

        Raises:
            DeviceError: The device does not accept a connection.
        """
        self.close()
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=FramerType.RTU if self._rtu else FramerType.SOCKET,
            timeout=self._timeout,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._count_bytes,
            trace_pdu=self._let_reads_pass,
            trace_connect=lambda up: None if up else self._abandon("the device hung up"),
        )
        client.set_max_no_responses(NEVER)  # Whether the link is dead is judged by who reads.
        client.register(RawHoldingRegisters)
        client.register(RawInputRegisters)
        self._refuse_nonsense(client)
        self._client = client
        try:
            if not await _heeding_cancel(client.connect()):
                msg = f"cannot connect to {self._host}:{self._port}: {await self._why()}"
                remedy = (
                    "check host and port, that the device is on, and that it has a free connection"
                )
                self._fail(msg)
                raise DeviceError(msg, where=self._where, remedy=remedy)
        except BaseException:
            self.close()
            raise

    async def _why(self) -> str:
        """Why there is no connection; pymodbus keeps that to itself, so it is tried once more."""
        try:
            async with asyncio.timeout(self._timeout):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except ConnectionRefusedError:
            return "refused: nothing listens on this port"
        except socket.gaierror:
            return "the host name is not known"
        except OSError as error:
            return error.strerror or str(error)
        writer.close()
        return "the device hung up"

    def close(self) -> None:
        """Let go of the connection; a request under way ends with `NoAnswerError`."""
        if self._client:
            self._abandon("the connection was closed")
            self._client.close()
            self._client = None

    async def read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        """The contents of `count` addresses: registers, or bits as 0 and 1.

        Raises:
            RefusedError: The device answered with an exception.
            NoAnswerError: There was no answer, or not this one.
        """
        key = (unit, table, start, count)
        request = self._requests.get(key)
        if request is None:
            request = REQUESTS[table](address=start, count=count, dev_id=unit)
            self._requests[key] = request
        answer = await self._ask(request)
        contents: Sequence[int] = answer.bits if table.of_bits else answer.registers
        enough = len(contents) >= count if table.of_bits else len(contents) == count
        if answer.function_code != table or not enough:
            msg = f"asked for {count} of {start} and got something else"
            raise self._no_answer(msg)
        return contents

    async def identify(self, unit: int) -> dict[str, str]:
        """What the device says of itself (function 43/14): vendor, product and revision.

        Raises:
            RefusedError: It does not know the question.
            NoAnswerError: It does not even answer.
        """
        answer = await self._ask(ReadDeviceInformationRequest(dev_id=unit))
        if not isinstance(answer, ReadDeviceInformationResponse):
            msg = "asked who it is, the device answered something else"
            raise self._no_answer(msg)
        texts = {
            key: bytes(text).decode(errors="replace").strip()
            for key, text in answer.information.items()
        }
        return {name: texts[key] for key, name in enumerate(OBJECTS) if texts.get(key)}

    async def _ask(self, request: ModbusPDU) -> ModbusPDU:
        if not self._client:
            msg = "the connection was closed"
            raise self._no_answer(msg)
        loop = asyncio.get_running_loop()
        if (wait := self._free_at - loop.time()) > 0:
            await asyncio.sleep(wait)
        answered = False
        try:
            answer = await self._transact(self._client, request)
            answered = True
        except NoAnswerError as error:
            raise self._no_answer(error.message, request.dev_id) from None
        except ModbusException as error:
            msg = f"no answer within {self._timeout:g} s" if self.connected else str(error)
            raise self._no_answer(msg, request.dev_id) from error
        finally:
            self._free_at = loop.time() + self._pause
            if self._rtu and not answered:
                self.close()
        if isinstance(answer, ExceptionResponse):
            refused = RefusedError(answer.exception_code, f"function {request.function_code}")
            self._fail(refused.message)
            raise refused
        return answer

    async def _transact(self, client: AsyncModbusTcpClient, request: ModbusPDU) -> ModbusPDU:
        """Send a request and wait for its answer, as pymodbus's `execute` does.

        Its lock and its `asyncio.wait_for` are left away: there is one request at a time here, and
        the latter costs a third of a request and loses cancellations up to Python 3.11.
        """
        context, loop = client.ctx, asyncio.get_running_loop()
        if not context.transport:
            msg = "the connection was closed"
            raise NoAnswerError(msg)
        request.transaction_id = context.getNextTID()
        context.recv_buffer = b""
        context.response_future = answer = loop.create_future()
        expiry = loop.call_later(self._timeout, self._expire, answer)
        try:
            context.pdu_send(request)
            found: ModbusPDU = await answer
            return found
        finally:
            expiry.cancel()

    def _expire(self, answer: "asyncio.Future[ModbusPDU]") -> None:
        if not answer.done():
            answer.set_exception(NoAnswerError(f"no answer within {self._timeout:g} s"))

    def _no_answer(self, message: str, unit: int | None = None) -> NoAnswerError:
        """The error of a request without an answer; `unit` where what came may say why."""
        remedy = "check unit, framing and wiring"
        if self._heard and unit is not None:
            message, remedy = judged(self._heard, unit, rtu=self._rtu)
        self._fail(message)
        if self._rtu:
            self.close()
        return NoAnswerError(message, where=self._where, remedy=remedy)

    def _fail(self, message: str) -> None:
        self._meter.errors += 1
        self._meter.last_error = message

    def _abandon(self, message: str) -> None:
        """End the request under way. pymodbus would wait for its time-out."""
        if self._client and not (answer := self._client.ctx.response_future).done():
            answer.set_exception(NoAnswerError(message))
            answer.exception()  # Nobody may be waiting; that is no error.

    def _refuse_nonsense(self, client: AsyncModbusTcpClient) -> None:
        """Let undecodable bytes cost the request, where pymodbus would break the connection."""
        receive = client.ctx.callback_data

        def guarded(data: bytes, addr: tuple[str, int] | None = None) -> int:
            try:
                return receive(data, addr)
            except (ModbusException, IndexError, ValueError, struct.error):
                self._abandon("the device answered nonsense")
                return len(data)

        client.ctx.callback_data = guarded  # type: ignore[method-assign] # pymodbus has no hook

    def _count_bytes(self, sending: bool, data: bytes) -> bytes:
        """Count bytes; pymodbus shows a part that it had seen again with the next part."""
        if sending:
            self._meter.bytes_sent += len(data)
            self._seen = 0
            self._heard = b""
        else:
            self._meter.bytes_received += max(0, len(data) - self._seen)
            self._seen = len(data)
            self._heard = data
        return data

    def _let_reads_pass(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Count requests, and let none out that could change anything in the device."""
        if sending:
            if pdu.function_code not in READ_ONLY:
                msg = f"function {pdu.function_code} is not one of those that only read"
                raise DeviceError(msg, where=self._where, remedy="this connector is read-only")
            self._meter.requests += 1
        return pdu
