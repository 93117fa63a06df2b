"""What `probe` says of Modbus devices that are not as configured; the texts are pinned."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from harness import ASSET
from modbus_device import Device, Request, answer, connector_to, refusal, well

from connectors.modbus import ModbusConnector
from penstock.errors import DeviceError
from penstock.local.ports import free_port
from penstock.settings.tags import Tag


@asynccontextmanager
async def saying(words: bytes) -> AsyncIterator[int]:
    """A server that answers whatever it is asked with the same words; its port."""

    links: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links.append(writer)
        with suppress(OSError):
            while await reader.read(512):
                writer.write(words)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port := free_port())
    try:
        yield port
    finally:
        server.close()
        for link in links:
            link.transport.abort()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not in Modbus: a web server (HTTP) said 'HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "not in Modbus: a TLS server said 15 03 03 00"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not in Modbus: an SSH server said 'SSH-2.0-OpenSSH_'"),
        (b"what?", "not in Modbus: it said 'what?'"),
    ],
)
async def test_a_device_that_answers_but_not_in_modbus(words: bytes, message: str) -> None:
    async with saying(words) as port:
        connector = connector_to(port, ("1/0", "uint16"))
        with pytest.raises(DeviceError) as error:
            await connector.probe()
        assert message in str(error.value)
        assert "Modbus/TCP mostly listens on 502" in str(error.value)
        await connector.start()  # In operation it is said, too.
        await connector.read()
        assert message in connector.meter.last_error
        await connector.stop()


async def test_a_unit_that_keeps_silent_while_another_answers() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return await well(device, request) if request.unit == 255 else b""

    async with Device(behave) as device:
        with pytest.raises(DeviceError) as error:
            await device.connector(("7/0", "uint16")).probe()
    assert "unit 7: no answer within 0.2 s; unit 255 answers" in str(error.value)
    assert "write 255/…" in str(error.value)


async def test_no_unit_answers() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return b""

    async with Device(behave) as device:
        with pytest.raises(DeviceError) as error:
            await device.connector(("7/0", "uint16")).probe()
    assert "the connection is accepted, but of unit 7: no answer" in str(error.value)
    assert "the wiring behind a gateway" in str(error.value)


async def test_the_other_framing() -> None:
    async with Device(well) as device:
        with pytest.raises(
            DeviceError, match=r"asked in the other framing, it answers.*set framing"
        ):
            await device.connector(("1/0", "uint16"), framing="rtu-over-tcp").probe()


def words(value: float, order: str) -> list[int]:
    high, low = struct.unpack(">2H", struct.pack(">f", value))
    return [low, high] if order == "CDAB" else [high, low]


def row(tag: str, address: str, **changes: object) -> Tag:
    fields = {"asset": ASSET, "tag": tag, "address": address, "where": "tags.csv:2"}
    return Tag.model_validate(fields | changes)


def with_tags(device: Device, *tags: Tag, **settings: object) -> ModbusConnector:
    plain = connector_to(device.port, ("1/0", "uint16"), **settings)
    return ModbusConnector("plc", plain.settings, tags)


async def test_a_wrong_word_order_is_said_with_the_right_one() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return answer(request, words(23.5, "CDAB")[: request.count])

    async with Device(behave) as device:
        wrong = row("current", "1/0", type="float32", order="ABCD")
        probe = await with_tags(device, wrong).probe()
        assert [str(problem) for problem in probe.problems] == [
            "tags.csv:2: tag 'current' reads 2.358e-41 with order ABCD, which is absurd "
            "(write order CDAB: it then reads 23.5)"
        ]
        right = row("current", "1/0", type="float32", order="CDAB", low=0, high=40)
        assert (await with_tags(device, right).probe()).problems == ()


async def test_a_value_outside_its_plausible_range() -> None:
    async with Device(well) as device:
        probe = await with_tags(device, row("level", "1/90", type="uint16", low=0, high=50)).probe()
    assert "tag 'level' is 90, above its greatest plausible value, 50" in str(probe.problems[0])
    assert "penstock connectors read --guess" in str(probe.problems[0])


async def test_a_tag_that_the_device_does_not_have_is_found_among_its_neighbours() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        if request.start <= 2 < request.start + request.count:
            return refusal(request, 2)
        return await well(device, request)

    async with Device(behave) as device:
        tags = [row(f"r{number}", f"1/{number}", type="uint16") for number in range(5)]
        probe = await with_tags(device, *tags).probe()
    assert probe.details["tags"] == "4 of 5 can be read"
    (problem,) = probe.problems
    assert "tag 'r2' at '1/2' cannot be read: the device refuses it" in str(problem)


async def test_a_device_whose_clock_is_off() -> None:
    behind = 3600_000_000

    async def behave(device: Device, request: Request) -> bytes:
        time_us = time.time_ns() // 1000 - behind
        return answer(
            request, [*struct.unpack(">4H", struct.pack(">Q", time_us)), 1][: request.count]
        )

    async with Device(behave) as device:
        connector = with_tags(
            device, row("count", "1/4", type="uint16"), clock={"address": "hr:0", "type": "uint64"}
        )
        (problem,) = (await connector.probe()).problems
    assert "unit 1's clock is 3600." in str(problem)
    assert "s behind ours" in str(problem)
