"""A Modbus device that misbehaves costs what it spoils, and nothing else."""

import asyncio
import math
import time
from collections.abc import Sequence

import pytest
from harness import read_until, started
from modbus_device import Device, Request, answer, frame, refusal, well
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from connectors.modbus import ModbusConnector
from penstock.connector import Sample
from penstock.errors import DeviceError
from penstock.quality import (
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_OUT_OF_RANGE,
    GOOD,
)

TWO_BLOCKS = (("1/0", "uint16"), ("1/50", "uint16"))


def of(samples: Sequence[Sample], tag: str) -> list[Sample]:
    return [sample for sample in samples if sample.tag == tag]


async def both(connector: ModbusConnector, good: int = 5, bad: int = 2) -> list[Sample]:
    """Read until block 0 has given good samples, and block 50 some."""
    return await read_until(
        connector, lambda some: len(of(some, "1/0")) >= good and len(of(some, "1/50")) >= bad
    )


def check_only_second_is(samples: Sequence[Sample], quality: int) -> None:
    assert {(sample.value, sample.quality) for sample in of(samples, "1/0")} == {(0.0, GOOD)}
    assert {sample.quality for sample in of(samples, "1/50")} == {quality}
    assert all(math.isnan(sample.value) for sample in of(samples, "1/50"))


@pytest.mark.parametrize(
    ("exception", "quality", "said"),
    [
        (2, BAD_DEVICE_FAILURE, "function 3: illegal address, for 1/50 "),
        (4, BAD_DEVICE_FAILURE, "function 3: device failure"),
        (11, BAD_NO_COMMUNICATION, "function 3: gateway no response"),
    ],
)
async def test_a_refusal_costs_the_block(exception: int, quality: int, said: str) -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return refusal(request, exception) if request.start == 50 else await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        check_only_second_is(await both(connector), quality)
        assert device.connections == 1
        assert said in connector.meter.last_error


async def test_silence_costs_the_block_and_little_time() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return b"" if request.start == 50 else await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        samples = await both(connector, 20, 3)
        check_only_second_is(samples, BAD_NO_COMMUNICATION)
        assert device.connections == 1
        assert "no answer within 0.2 s" in connector.meter.last_error
        assert len(of(samples, "1/0")) > 5 * len(of(samples, "1/50"))


NONSENSE = {
    "noise": lambda request: bytes(range(7, 200, 3)),
    "half a frame": lambda request: answer(request, [50])[:-1],
    "too short": lambda request: frame(request, bytes([3, 4, 0])),
    "too long": lambda request: answer(request, [50, 51]),
    "another function": lambda request: answer(request._replace(function=4), [50]),
    "unknown function": lambda request: frame(request, bytes([0x63, 1, 2])),
    "another number": lambda request: answer(request._replace(number=9999), [50]),
    "another unit": lambda request: answer(request._replace(unit=9), [50]),
    "empty": lambda request: frame(request, b""),
    "endless": lambda request: b"\0\1\0\0\xff\xff" + bytes(2000),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_costs_the_block(kind: str) -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return NONSENSE[kind](request) if request.start == 50 else await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        check_only_second_is(await both(connector), BAD_NO_COMMUNICATION)
        assert connector.meter.errors >= 2


async def test_hanging_up_on_one_block_costs_the_block() -> None:
    async def behave(device: Device, request: Request) -> bytes | None:
        return None if request.start == 50 else await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        check_only_second_is(await both(connector), BAD_NO_COMMUNICATION)


async def test_an_idle_connection_that_the_device_closed_costs_nothing() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        asyncio.get_running_loop().call_soon(hang_up, device)  # behind the answer
        return await well(device, request)

    def hang_up(device: Device) -> None:
        for link in device._links:
            link.close()

    async with (
        Device(behave) as device,
        started(device.connector(("1/0", "uint16"), poll="100 ms")) as connector,
    ):
        samples = await read_until(connector, lambda some: len(some) >= 5)
        assert {sample.quality for sample in samples} == {GOOD}
        assert device.connections >= 5


async def test_a_slow_answer_is_not_taken_for_the_next() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        if request.start == 50:
            await asyncio.sleep(0.25)
        return await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        samples = await both(connector)
        check_only_second_is([s for s in samples if s.tag == "1/50" or s.quality == GOOD],
                             BAD_NO_COMMUNICATION)  # fmt: skip


async def test_slow_answers_in_a_row_each_have_the_whole_time_out() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        await asyncio.sleep(0.3)
        return await well(device, request)

    rows = (("1/0", "uint16"),)
    async with (
        Device(behave) as device,
        started(device.connector(*rows, limits={"timeout": "1 s"})) as connector,
    ):
        samples = await read_until(connector, lambda some: len(some) >= 5)
        assert {sample.quality for sample in samples} == {GOOD}
        assert connector.meter.requests == len(samples)


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        data = await well(device, request)
        (link,) = device._links
        for byte in data[:-1]:
            link.write(bytes([byte]))
            await asyncio.sleep(0.002)
        return data[-1:]

    async with Device(behave) as device, started(device.connector(("1/7", "uint16"))) as connector:
        samples = await read_until(connector, bool)
        assert [(sample.value, sample.quality) for sample in samples] == [(7.0, GOOD)]
        assert connector.meter.bytes_received == 11


async def test_a_device_that_falls_silent_is_lost() -> None:
    silent = False

    async def behave(device: Device, request: Request) -> bytes:
        return b"" if silent else await well(device, request)

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        await both(connector)
        silent = True
        begin = time.monotonic()
        seen: list[Sample] = []
        with pytest.raises(DeviceError) as error:
            while True:
                seen.extend((await connector.read()).samples)
        assert time.monotonic() - begin < 4
        assert "requests in a row" in str(error.value)
        assert error.value.remedy
        assert BAD_NO_COMMUNICATION in {sample.quality for sample in seen}
        silent = False
        await connector.start()
        check = await read_until(connector, lambda some: len(some) >= 2)
        assert {sample.quality for sample in check} == {GOOD}


async def test_a_device_that_never_answers_is_lost() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return b""

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        with pytest.raises(DeviceError, match="requests in a row"):
            async with asyncio.timeout(5):
                while True:
                    await connector.read()


async def test_a_dead_unit_behind_a_gateway_does_not_end_the_others() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return b"" if request.unit == 2 else await well(device, request)

    rows = (("1/0", "uint16"), *((f"2/{at}", "uint16") for at in (0, 10, 20, 30)))
    async with Device(behave) as device, started(device.connector(*rows)) as connector:
        samples = await read_until(
            connector,
            lambda some: len(of(some, "1/0")) > 20 and len({sample.tag for sample in some}) == 5,
        )
        assert {sample.quality for sample in of(samples, "1/0")} == {GOOD}
        assert device.connections == 1


async def test_a_block_is_split_until_only_what_the_device_lacks_is_bad() -> None:
    lacking = 13

    async def behave(device: Device, request: Request) -> bytes:
        if request.start <= lacking < request.start + request.count:
            return refusal(request, 2)
        return await well(device, request)

    rows = tuple((f"1/{at}", "uint16") for at in range(20))
    async with Device(behave) as device, started(device.connector(*rows)) as connector:
        first = (await connector.read()).samples
        assert {s.tag: s.value for s in first if s.quality == GOOD} == {
            f"1/{at}": float(at) for at in range(20) if at != lacking
        }
        asked = len(device.requests)
        await read_until(connector, lambda some: len(of(some, "1/0")) >= 5)
        again = device.requests[asked:]
        assert max(request.count for request in again) == 10, "the split is remembered"
        await connector.start()
        await connector.read()
        assert max(request.count for request in device.requests[asked + len(again) :]) == 20


async def test_numbers_that_are_not_finite_are_kept_and_flagged() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return answer(request, [0x7F80, 0, 0x7FC0, 0, 0x3F80, 0])

    rows = (("1/0", "float32"), ("1/2", "float32"), ("1/4", "float32"))
    async with Device(behave) as device, started(device.connector(*rows)) as connector:
        infinite, nan, one = (await connector.read()).samples
        assert (infinite.value, infinite.quality) == (math.inf, BAD_OUT_OF_RANGE)
        assert math.isnan(nan.value)
        assert nan.quality == BAD_OUT_OF_RANGE
        assert (one.value, one.quality) == (1.0, GOOD)


async def test_a_cancellation_that_comes_with_the_answer_is_heeded() -> None:
    arrived = asyncio.Event()

    async def behave(device: Device, request: Request) -> bytes:
        arrived.set()
        return b""

    rows = (("1/0", "uint16"),)
    async with (
        Device(behave) as device,
        started(device.connector(*rows, limits={"timeout": "5 s"})) as connector,
    ):
        reading = asyncio.create_task(connector.read())
        await arrived.wait()
        client = connector._links[0]._client
        assert client
        assert client._answer
        client._answer.set_result(ReadHoldingRegistersResponse(registers=[1], dev_id=1))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reading, 2)


async def test_silent_blocks_between_two_polls_of_a_good_one_do_not_end_the_link() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        return b"" if request.start else await well(device, request)

    rows = (("1/0", "uint16"), *((f"1/{at}", "uint16") for at in (10, 20, 30)))
    async with Device(behave) as device:
        usual = device.connector(*rows, limits={"timeout": "50 ms"})
        rare = usual.tags[0].model_copy(update={"poll": usual.settings.poll * 75})
        tags = [rare, *usual.tags[1:]]
        async with started(type(usual)("plc", usual.settings, tags)) as connector:
            samples = await read_until(connector, lambda some: len(of(some, "1/0")) == 2)
            assert len(samples) > 2 + 4
            assert device.connections == 1
