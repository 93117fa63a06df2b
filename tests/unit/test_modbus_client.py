import asyncio
import errno
import os

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteSingleRegisterRequest

from connectors.modbus.client import LAST_NUMBER, Client
from connectors.modbus.errors import NoAnswerError
from connectors.modbus.link import Link
from penstock.connector import Meter
from penstock.errors import DeviceError


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.frames.append(bytes(data))

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def client() -> tuple[Client, Wire]:
    made = Client("device", 502, rtu=False, timeout=5, meter=Meter(), where="plc")
    wire = Wire()
    made.connection_made(wire)
    return made, wire


def reply(number: int, *registers: int) -> bytes:
    content = b"".join(register.to_bytes(2, "big") for register in registers)
    head = number.to_bytes(2, "big") + b"\0\0" + (len(content) + 3).to_bytes(2, "big")
    return head + bytes([1, 3, len(content)]) + content


def read_one() -> ReadHoldingRegistersRequest:
    return ReadHoldingRegistersRequest(address=0, count=1, dev_id=1)


@pytest.mark.parametrize(
    "before",
    [b"\0\1\0\0\0\1\1", reply(9, 8), reply(9, *range(125)) * 9],
    ids=["an empty frame", "another's", "many of another"],
)
async def test_what_comes_before_an_answer_in_one_piece_does_not_hide_it(before: bytes) -> None:
    asking, _ = client()
    request = asyncio.create_task(asking.ask(read_one()))
    await asyncio.sleep(0)
    asking.data_received(before + reply(1, 7))
    asking.close()
    assert list((await request).registers) == [7]


async def test_no_more_than_a_frame_is_kept_of_what_is_not_understood() -> None:
    asking, _ = client()
    request = asyncio.create_task(asking.ask(read_one()))
    await asyncio.sleep(0)
    asking.data_received(b"\0\1\0\0\xff\xff" + bytes(2000))
    asking.data_received(reply(1, 7))
    asking.close()
    assert list((await request).registers) == [7]


async def test_numbers_begin_again_at_one() -> None:
    asking, wire = client()
    asking._number = LAST_NUMBER - 1
    expected = [LAST_NUMBER, 1, 2]
    for number in expected:
        request = asking.ask(read_one())
        request.send(None)
        asking.data_received(reply(number, 7))
        with pytest.raises(StopIteration):
            request.send(None)
    asking.close()
    assert [int.from_bytes(frame[:2], "big") for frame in wire.frames] == expected


async def test_requests_bear_numbers_though_answers_do_not() -> None:
    asking, wire = client()
    for number in (0, 2):
        request = asking.ask(read_one())
        request.send(None)
        asking.data_received(reply(9, 8) + reply(number, 7))
        with pytest.raises(StopIteration) as result:
            request.send(None)
        assert list(result.value.value.registers) == [7]
        assert not asking.numbered
    asking.close()
    assert [int.from_bytes(frame[:2], "big") for frame in wire.frames] == [1, 2]


async def test_what_would_write_is_not_sent() -> None:
    asking, wire = client()
    with pytest.raises(DeviceError, match="function 6 is not one of those that only read") as error:
        await asking.ask(WriteSingleRegisterRequest(address=0, registers=[1], dev_id=1))
    assert not isinstance(error.value, NoAnswerError)
    assert wire.frames == []


async def test_a_connection_made_after_closing_is_not_kept() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asking = Client("127.0.0.1", port, rtu=False, timeout=5, meter=Meter(), where="plc")
        connecting = asyncio.create_task(asking.connect())
        await asyncio.sleep(0)
        asking.close()
        await connecting
        assert not asking.connected
        await asyncio.wait_for(ended.wait(), 5)


CALL = "Connect call failed ('192.0.2.1', 502)"
SEVERAL = "Multiple exceptions: [Errno 111] Connect call failed, [Errno 113] Connect call failed"


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (OSError(errno.EHOSTUNREACH, CALL), os.strerror(errno.EHOSTUNREACH)),
        (OSError(errno.ENETUNREACH, CALL), os.strerror(errno.ENETUNREACH)),
        (OSError(SEVERAL), SEVERAL),
        (OSError(errno.ECONNREFUSED, CALL), "refused: nothing listens on this port"),
        (TimeoutError(), "no answer within 2 s"),
    ],
)
async def test_why_a_device_cannot_be_reached_is_said(
    failure: OSError, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Client) -> None:
        raise failure

    monkeypatch.setattr(Client, "connect", fail)
    link = Link("device", 502, rtu=False, timeout=2, pause=0, meter=Meter(), where="plc")
    with pytest.raises(DeviceError) as error:
        await link.open()
    assert error.value.message == f"cannot connect to device:502: {why}"
    assert not link.connected
