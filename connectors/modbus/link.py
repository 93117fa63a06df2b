"""One TCP connection to a Modbus device: asks, and tells a refusal from silence from nonsense."""

import asyncio
from collections.abc import Sequence
from typing import Final

from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from connectors.modbus.client import Client
from connectors.modbus.errors import NoAnswerError, RefusedError
from connectors.modbus.registers import Table
from connectors.modbus.replies import judged
from penstock.connector import Meter
from penstock.errors import DeviceError
from penstock.strangers import unreached

REQUESTS: Final[dict[Table, type[ModbusPDU]]] = {
    Table.COILS: ReadCoilsRequest,
    Table.DISCRETE_INPUTS: ReadDiscreteInputsRequest,
    Table.HOLDING_REGISTERS: ReadHoldingRegistersRequest,
    Table.INPUT_REGISTERS: ReadInputRegistersRequest,
}
OBJECTS: Final = ("vendor", "product", "revision")
"""What the first objects of a device identification say."""


class Link:
    """A connection that may be opened, lost and opened again; each time with a new client.

    Args:
        host: Name or IP address.
        port: TCP port.
        rtu: Whether the device wants RTU frames (of a serial line) over TCP. Their answers carry no
            number that would tell one that comes late from the next, nor do those of some devices
            that speak Modbus/TCP. Then the connection is closed when an answer does not come: what
            comes later has nowhere to go.
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
        self._numbered = not rtu
        self._timeout, self._pause = timeout, pause
        self._meter, self._where = meter, where
        self._client: Client | None = None
        self._free_at = 0.0
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
        self._client = Client(
            self._host,
            self._port,
            rtu=self._rtu,
            timeout=self._timeout,
            meter=self._meter,
            where=self._where,
        )
        try:
            await self._client.connect()
        except OSError as error:
            self.close()
            msg = f"cannot connect to {self._host}:{self._port}: {self._why(error)}"
            remedy = "check host and port, that the device is on, and that it has a free connection"
            self._fail(msg)
            raise DeviceError(msg, where=self._where, remedy=remedy) from error
        except BaseException:
            self.close()
            raise

    def _why(self, error: OSError) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} s"
        return unreached(error)

    def close(self) -> None:
        """Let go of the connection; a request under way ends with `NoAnswerError`."""
        if self._client:
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
        client = self._client
        if not client:
            msg = "the connection was closed"
            raise self._no_answer(msg)
        loop = asyncio.get_running_loop()
        if (wait := self._free_at - loop.time()) > 0:
            await asyncio.sleep(wait)
        answered = False
        try:
            answer = await client.ask(request)
            answered = True
        except NoAnswerError as error:
            raise self._no_answer(error.message, request, client.heard) from None
        finally:
            self._free_at = loop.time() + self._pause
            self._numbered = self._numbered and client.numbered
            if not self._numbered and not answered:
                self.close()
        if isinstance(answer, ExceptionResponse):
            refused = RefusedError(answer.exception_code, f"function {request.function_code}")
            self._fail(refused.message)
            raise refused
        return answer

    def _no_answer(
        self, message: str, request: ModbusPDU | None = None, heard: bytes = b""
    ) -> NoAnswerError:
        """The error of a request without an answer; what was heard instead may say why."""
        remedy = "check unit, framing and wiring"
        if request and heard:
            message, remedy = judged(heard, request.dev_id, rtu=self._rtu)
        self._fail(message)
        if not self._numbered:
            self.close()
        return NoAnswerError(message, where=self._where, remedy=remedy)

    def _fail(self, message: str) -> None:
        self._meter.errors += 1
        self._meter.last_error = message
