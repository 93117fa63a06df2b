"""What every connector keeps to, against a real server of its protocol."""

import asyncio
import math
import time

import psutil
import pytest
from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness, read_until, started, until

from penstock import components
from penstock.connector import Batch, Connector, Sample
from penstock.errors import DeviceError
from penstock.local.ports import free_port
from penstock.quality import is_good


def good(samples: list[Sample]) -> dict[str, Sample]:
    """The last good sample of each tag."""
    return {sample.tag: sample for sample in samples if is_good(sample.quality)}


async def read_to_the_end(connector: Connector, seconds: float = 10) -> DeviceError:
    """Read on until the connector says that the link is lost."""
    with pytest.raises(DeviceError) as error:
        async with asyncio.timeout(seconds):
            while True:
                await connector.read()
    return error.value


def test_every_registered_connector_has_a_harness(harnesses: dict[str, type[Harness]]) -> None:
    assert set(components.names("connectors")) <= set(harnesses)


async def test_settings_describe_every_field(device: Harness) -> None:
    fields = type(device.connector().settings).model_fields
    assert [name for name, field in fields.items() if not field.description] == []


async def test_probe_tells_who_the_source_is(device: Harness) -> None:
    connector = device.connector()
    probe = await connector.probe()
    assert probe.identity
    assert 0 < probe.latency_ms < 5000
    await connector.stop()


async def test_a_source_that_is_not_there_is_a_clear_error(device: Harness) -> None:
    port = free_port()
    connector = device.connector(port=port)
    for attempt in (connector.probe, connector.start):
        with pytest.raises(DeviceError) as error:
            async with asyncio.timeout(10):
                await attempt()
        assert str(port) in str(error.value)
        assert error.value.remedy
    await connector.stop()


async def test_stop_may_come_at_any_time_and_twice(device: Harness) -> None:
    connector = device.connector()
    await connector.stop()
    await connector.start()
    await connector.stop()
    await connector.stop()
    async with started(connector):
        await device.kill()
        await connector.stop()


async def test_samples_are_complete(device: Harness) -> None:
    before = time.time_ns() // 1000
    async with started(device.connector()) as connector:
        samples = await read_until(connector, lambda some: len(good(some)) == len(GOOD_TAGS))
    after = time.time_ns() // 1000
    last = good(samples)
    assert {tag: sample.value for tag, sample in last.items()} == GOOD_TAGS
    for tag, expected in GOOD_TAGS.items():
        assert type(last[tag].value) is type(expected)
        assert last[tag].asset == ASSET
        # The server may have got its values well before it was asked.
        assert before - 60_000_000 < last[tag].source_time <= after
    assert connector.meter.requests > 0
    assert connector.meter.bytes_received > 0


async def test_a_change_is_read(device: Harness) -> None:
    async with started(device.connector()) as connector:
        await read_until(connector, lambda some: "temperature" in good(some))
        await device.set_value("temperature", 21.25)
        await device.set_value("running", False)
        await device.set_value("lot", "L-0002")
        wanted = {"temperature": 21.25, "running": False, "lot": "L-0002"}
        await read_until(
            connector,
            lambda some: {tag: sample.value for tag, sample in good(some).items()} == wanted,
        )


async def test_a_bad_tag_is_flagged_and_stops_no_other(device: Harness) -> None:
    async with started(device.connector()) as connector:
        samples = await read_until(
            connector, lambda some: any(sample.tag == MISSING_TAG for sample in some)
        )
        bad = next(sample for sample in samples if sample.tag == MISSING_TAG)
        assert not is_good(bad.quality)
        assert isinstance(bad.value, float)
        assert math.isnan(bad.value)
        await device.set_value("temperature", 30.0)
        await read_until(
            connector,
            lambda some: "temperature" in good(some) and good(some)["temperature"].value == 30.0,
        )
        assert connector.meter.errors > 0
        assert connector.meter.last_error


async def test_a_killed_server_is_noticed_and_a_restarted_one_read(device: Harness) -> None:
    connector = device.connector()
    async with started(connector):
        await read_until(connector, lambda some: "temperature" in good(some))
        await device.kill()
        errors = connector.meter.errors
        lost = await read_to_the_end(connector)
        assert lost.where
        assert lost.remedy
    counted = connector.meter.errors
    assert counted > errors, "a lost link is counted"
    with pytest.raises(DeviceError):
        await connector.start()
    assert connector.meter.errors > counted, "and one that is refused"
    await device.start()
    async with started(connector):
        samples = await read_until(connector, lambda some: "temperature" in good(some))
        assert good(samples)["temperature"].value == GOOD_TAGS["temperature"]


async def test_stop_ends_a_read_that_waits(device: Harness) -> None:
    connector = device.connector()
    await connector.start()
    await read_until(connector, lambda some: "temperature" in good(some))
    reading = asyncio.create_task(read_to_the_end(connector))
    await connector.stop()
    await asyncio.wait_for(reading, 5)


async def test_a_cancelled_read_harms_nothing(device: Harness) -> None:
    async with started(device.connector()) as connector:
        await read_until(connector, lambda some: "temperature" in good(some))
        for _ in range(5):
            reading: asyncio.Task[Batch] = asyncio.create_task(connector.read())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
        await device.set_value("temperature", 40.0)
        await read_until(
            connector,
            lambda some: "temperature" in good(some) and good(some)["temperature"].value == 40.0,
        )


async def test_reconnecting_leaks_neither_sockets_nor_tasks(device: Harness) -> None:
    connector = device.connector()
    process = psutil.Process()

    def sockets() -> int:
        links = process.net_connections(kind="tcp")
        return sum(
            bool(link.raddr) and device.port in (link.raddr.port, link.laddr.port) for link in links
        )

    async with started(connector):
        await read_until(connector, lambda some: "temperature" in good(some))
    await until(lambda: sockets() == 0, "all sockets of the first connection closed")
    tasks = len(asyncio.all_tasks())
    for _ in range(20):
        async with started(connector):
            await read_until(connector, lambda some: "temperature" in good(some))
    await until(lambda: sockets() == 0, "all sockets closed")
    await until(lambda: len(asyncio.all_tasks()) <= tasks, "all tasks ended")


async def test_nothing_is_ever_written(device: Harness) -> None:
    connector = device.connector()
    await connector.probe()
    async with started(connector):
        await read_until(connector, lambda some: len(good(some)) == len(GOOD_TAGS))
    assert device.writes() == []
    assert connector.meter.writes == 0
