"""What the Modbus connector reads from a real server, and when."""

import asyncio
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness import read_until, started
from modbus_device import Device, Request, answer, connector_to, refusal, well
from modbus_harness import ModbusHarness
from pymodbus.pdu.register_message import WriteSingleRegisterRequest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from penstock.connector import Sample
from penstock.errors import DeviceError
from penstock.quality import BAD_DEVICE_FAILURE, BAD_NO_COMMUNICATION, GOOD


class Plant(ModbusHarness):
    """Two units with something in each table; unit 2 lacks coils."""

    async def start(self) -> None:
        bits = [SimData(0, values=[True, False] * 16, datatype=DataType.BITS)]
        holding = [
            SimData(0, values=[12.5], datatype=DataType.FLOAT32),
            SimData(2, values=[-7, 40000 - 65536], datatype=DataType.INT16),
            SimData(4, values=[-5_000_000_000], datatype=DataType.INT64),
            SimData(8, values=[0b1010], datatype=DataType.REGISTERS),
            SimData(9, values="charge 17", datatype=DataType.STRING),
            SimData(14, values=[0] * 26, datatype=DataType.REGISTERS),
        ]
        inputs = [SimData(100, values=[3_000_000_000], datatype=DataType.UINT32)]
        no_bits = [SimData(900, values=[False] * 16, datatype=DataType.BITS)]
        self.server = ModbusTcpServer(
            [
                SimDevice(id=1, simdata=(bits, bits, holding, inputs)),
                SimDevice(id=2, simdata=(no_bits, no_bits, holding, inputs)),
            ],
            address=("127.0.0.1", self.port),
            trace_pdu=self._note,
        )
        await self.server.serve_forever(background=True)

    async def write(self, address: int, registers: tuple[int, ...], unit: int = 1) -> None:
        assert self.server
        await self.server.async_setValues(unit, 16, address, list(registers))


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    device = Plant(tmp_path)
    await device.start()
    yield device
    await device.close()


def values(samples: list[Sample]) -> dict[str, float | bool | str]:
    return {sample.tag: sample.value for sample in samples if sample.quality == GOOD}


async def test_a_source_without_tags_reads_nothing_and_can_be_stopped() -> None:
    async with Device(well) as device:
        connector = device.connector()
        await connector.start()
        reading = asyncio.create_task(connector.read())
        await asyncio.wait([reading], timeout=0.05)
        assert not reading.done()
        await connector.stop()
        with pytest.raises(DeviceError, match="stopped"):
            await asyncio.wait_for(reading, 5)
    assert device.requests == []


async def test_every_table_and_type(plant: Plant) -> None:
    wanted = {
        ("1/hr:0", "float32"): 12.5,
        ("1/hr:2", "int16"): -7.0,
        ("1/hr:3", "uint16"): 40000.0,
        ("1/hr:4", "int64"): -5e9,
        ("1/hr:8.1", "bit"): True,
        ("1/hr:8.2", ""): False,
        ("1/hr:9", "string:9"): "charge 17",
        ("1/ir:100", "uint32"): 3e9,
        ("1/co:0", ""): True,
        ("1/co:17", "bit"): False,
        ("1/di:16", "bit"): True,
        ("2/hr:0", "float32"): 12.5,
    }
    async with started(connector_to(plant.port, *wanted)) as connector:
        samples = list((await connector.read()).samples)
        assert values(samples) == {row[0]: value for row, value in wanted.items()}
        functions = Counter((pdu.dev_id, pdu.function_code) for pdu in plant.requests)
        assert functions == {(1, 1): 2, (1, 2): 1, (1, 3): 1, (1, 4): 1, (2, 3): 1}


async def test_scale_and_offset(plant: Plant) -> None:
    connector = connector_to(plant.port, ("1/hr:2", "int16"))
    tag = connector.tags[0].model_copy(update={"scale": 0.5, "offset": 100.0})
    scaled = type(connector)("plc", connector.settings, [tag])
    async with started(scaled):
        assert values(list((await scaled.read()).samples)) == {"1/hr:2": 96.5}


async def test_each_tag_has_its_own_period() -> None:
    async with Device(well) as device:
        connector = device.connector(("1/0", "uint16"), ("1/50", "uint16"))
        slow = connector.tags[1].model_copy(update={"poll": connector.settings.poll * 5})
        connector = type(connector)("plc", connector.settings, [connector.tags[0], slow])
        async with started(connector):
            samples = await read_until(
                connector, lambda some: sum(s.tag == "1/50" for s in some) == 5
            )
        fast = [sample for sample in samples if sample.tag == "1/0"]
        assert len(fast) + connector.meter.missed >= 20


async def test_polls_that_a_slow_device_leaves_no_time_for_are_skipped_and_counted() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        await asyncio.sleep(0.07)
        return await well(device, request)

    async with Device(behave) as device, started(device.connector(("1/0", "uint16"))) as connector:
        await read_until(connector, lambda some: len(some) == 5)
        assert len(device.requests) == 5
        assert connector.meter.missed >= 10


async def test_several_connections_are_used_at_once() -> None:
    together, most = 0, 0

    async def behave(device: Device, request: Request) -> bytes:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.02)
        together -= 1
        return await well(device, request)

    rows = [(f"1/{at}", "uint16") for at in range(0, 60, 10)]
    async with (
        Device(behave) as device,
        started(device.connector(*rows, limits={"connections": 3})) as connector,
    ):
        samples = list((await connector.read()).samples)
        assert values(samples) == {f"1/{at}": float(at) for at in range(0, 60, 10)}
        assert (device.connections, most) == (3, 3)


async def test_a_pause_is_kept_between_requests() -> None:
    rows = [(f"1/{at}", "uint16") for at in range(0, 50, 10)]
    async with (
        Device(well) as device,
        started(device.connector(*rows, limits={"pause": "20 ms"})) as connector,
    ):
        begin = time.monotonic()
        await connector.read()
        assert len(device.requests) == 5
        assert time.monotonic() - begin >= 0.08


CLOCK = {"address": "hr:20", "type": "uint64", "resolution": "1 ms"}


def stamp(milliseconds: int) -> tuple[int, ...]:
    return struct.unpack(">4H", struct.pack(">Q", milliseconds))


async def test_source_time_is_the_devices_and_nothing_is_read_twice(plant: Plant) -> None:
    connector = connector_to(plant.port, ("1/hr:0", "float32"), ("1/hr:30", "uint16"), clock=CLOCK)
    read: list[Sample] = []
    async with started(connector):
        for cycle in range(1, 6):
            await plant.write(20, (*stamp(1_700_000_000_000 + cycle), 0, 0, 0, 0, 0, 0, cycle))
            read += (await connector.read()).samples
            asked = connector.meter.requests
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connector.read(), 0.06)
            assert connector.meter.requests > asked, "it went on asking, and found nothing new"
    cycles = [sample for sample in read if sample.tag == "1/hr:30"]
    assert [sample.value for sample in cycles] == [1, 2, 3, 4, 5]
    assert [s.source_time for s in cycles] == [(1_700_000_000_000 + n) * 1000 for n in range(1, 6)]
    assert len(read) == 10
    counts = {(pdu.address, pdu.count) for pdu in plant.requests}
    assert counts == {(0, 31)}, "clock and tags come in one answer"


async def test_what_changes_under_a_clock_that_stands_still_is_read(plant: Plant) -> None:
    await plant.write(20, stamp(1_700_000_000_000))
    rows = (("1/hr:30", "uint16"), ("1/hr:30.15", "bit"), ("1/hr:32", "float32"))
    connector = connector_to(plant.port, *rows, clock=CLOCK)
    async with started(connector):
        await plant.write(30, (0, 0, 0x7FC0, 0))
        assert len((await connector.read()).samples) == 3
        for value in (1, 2):
            await plant.write(30, (value,))
            (sample,) = (await connector.read()).samples
            assert (sample.tag, sample.value) == ("1/hr:30", value), "the others are as before"
            assert sample.source_time == 1_700_000_000_000_000
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connector.read(), 0.06)


async def test_a_clock_that_is_set_back_is_followed(plant: Plant) -> None:
    await plant.write(20, stamp(1_700_000_000_000))
    connector = connector_to(plant.port, ("1/hr:30", "uint16"), clock=CLOCK)
    async with started(connector):
        await connector.read()
        await plant.write(20, stamp(1_600_000_000_000))
        (sample,) = (await connector.read()).samples
        assert sample.source_time == 1_600_000_000_000_000


async def test_what_is_bad_bears_the_time_of_the_units_clock() -> None:
    hour = 3_600_000_000

    async def behave(device: Device, request: Request) -> bytes:
        if request.start >= 200:
            return b"" if request.start == 300 else refusal(request, 4)
        image = [0] * 200
        image[20:24] = stamp((connector.clock() - hour) // 1000)
        return answer(request, image[request.start : request.start + request.count])

    rows = [(f"1/hr:{at}", "uint16") for at in (30, 200, 300)]
    async with Device(behave) as device:
        connector = device.connector(*rows, clock=CLOCK)
        async with started(connector):
            samples = await read_until(connector, lambda some: len({s.tag for s in some}) == 3)
            assert {sample.quality for sample in samples} == {
                GOOD, BAD_DEVICE_FAILURE, BAD_NO_COMMUNICATION
            }  # fmt: skip
            now = connector.clock()
            assert all(0 <= now - hour - sample.source_time < 5_000_000 for sample in samples)


async def test_a_clock_beyond_all_time_is_told_and_not_followed(plant: Plant) -> None:
    await plant.write(20, (0xFFFF,) * 4)
    connector = connector_to(plant.port, ("1/hr:30", "uint16"), clock=CLOCK)
    async with started(connector):
        (sample,) = (await connector.read()).samples
        assert abs(sample.source_time - connector.clock()) < 5_000_000
        assert "clock says" in connector.meter.last_error


async def test_without_its_clock_a_unit_is_read_by_poll_time(plant: Plant) -> None:
    clock = {**CLOCK, "address": "hr:60"}
    rows = (("1/hr:0", "float32"), ("1/hr:2", "int16"), ("1/hr:30", "uint16"))
    async with started(connector_to(plant.port, *rows, clock=clock)) as connector:
        samples = list((await connector.read()).samples)
        assert set(values(samples)) == {row[0] for row in rows}
        assert all(abs(s.source_time - connector.clock()) < 5_000_000 for s in samples)
        plant.requests.clear()
        await connector.read()
        assert {(pdu.address, pdu.count) for pdu in plant.requests} <= {(0, 3), (30, 1)}


async def test_the_clock_stays_with_what_is_left_of_a_split_block() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        if request.start <= 33 < request.start + request.count:
            return refusal(request, 2)
        moving = list(range(request.start, request.start + request.count))
        moving[20 - request.start : 24 - request.start] = stamp(len(device.requests))
        return answer(request, moving)

    rows = [(f"1/hr:{at}", "uint16") for at in (30, 31, 33)]
    async with Device(behave) as device, started(device.connector(*rows, clock=CLOCK)) as connector:
        samples = await read_until(connector, lambda some: len(some) >= 9)
        good = [sample for sample in samples if sample.quality == GOOD]
        assert set(values(samples)) == {"1/hr:30", "1/hr:31"}
        assert all(sample.source_time < 1_000_000 for sample in good), "all by the device's clock"


async def test_only_reads_leave_even_by_mistake(plant: Plant) -> None:
    async with started(connector_to(plant.port, ("1/hr:0", "float32"))) as connector:
        await connector.read()
        request = WriteSingleRegisterRequest(address=0, registers=[1], dev_id=1)
        with pytest.raises(DeviceError, match="function 6 is not one of those that only read"):
            await connector._links[0]._ask(request)
        await connector.read()
    assert plant.writes() == []
    assert {pdu.function_code for pdu in plant.requests} == {3}
    assert connector.meter.writes == 0


async def test_a_late_rtu_answer_is_not_taken_for_the_next(tmp_path: Path) -> None:
    class SlowOnce(Plant):
        framing = "rtu-over-tcp"

    device = SlowOnce(tmp_path)
    await ModbusHarness.start(device)
    assert device.server
    slow = device.server.context.async_getValues

    async def late(unit: int, function: int, address: int, count: int = 1) -> object:
        if address == 10:
            await asyncio.sleep(0.25)
        return await slow(unit, function, address, count)

    device.server.context.async_getValues = late  # type: ignore[method-assign]
    rows = (("1/hr:10", "uint16"), ("1/hr:0", "uint16"), ("1/hr:12", "uint16"))
    try:
        connector = connector_to(device.port, *rows, framing="rtu-over-tcp")
        async with started(connector):
            samples = await read_until(
                connector, lambda some: sum(s.tag == "1/hr:10" for s in some) >= 3
            )
        for tag, quality in (("1/hr:0", GOOD), ("1/hr:10", BAD_NO_COMMUNICATION)):
            assert {s.quality for s in samples if s.tag == tag} == {quality}
        assert {s.value for s in samples if s.tag == "1/hr:12"} == {float(0x3031)}
    finally:
        await device.close()
        await asyncio.sleep(0.3)  # The server's late answers end with the loop, not with its links.


async def test_probe_reads_a_register_where_the_device_tells_no_identity() -> None:
    async with Device(well) as device:
        connector = device.connector(("1/0", "uint16"))

        async def mute(device: Device, request: Request) -> bytes:
            return await well(device, request) if request.function == 3 else b""

        device.behave = mute
        probe = await connector.probe()
        assert probe.identity == "Modbus device at 127.0.0.1"
        assert probe.latency_ms < 200
        assert connector.meter.requests == 0
