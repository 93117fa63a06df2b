"""When events go out, and when their samples count as acknowledged; Kafka is a list."""

import asyncio

import pytest
from structlog.testing import capture_logs

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.connector import Sample
from penstock.runtime import publisher as module
from penstock.runtime.publisher import FLUSH_SAMPLES, MOST_UNACKNOWLEDGED, Publisher


class Kafka:
    """Takes messages; has them once `has_them` is set."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.has_them = asyncio.Event()
        self.refuses: Exception | None = None

    async def deliver(self, topic: str, key: str, value: bytes) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.sizes.append(len(decode(unframe(value)[1]).values))
        await self.has_them.wait()


@pytest.fixture
async def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def publisher(kafka: Kafka) -> Publisher:
    return Publisher("plc", "s1", 1, kafka, lambda: 0)  # type: ignore[arg-type]


def samples(count: int) -> list[Sample]:
    return [Sample("press07", "power", 1.0, n) for n in range(count)]


async def turns(count: int = 20) -> None:
    """Let everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_thousand_samples_go_out_at_once(
    kafka: Kafka, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 3600)
    await publisher.add(samples(FLUSH_SAMPLES - 1))
    await turns()
    assert kafka.sizes == []
    await publisher.add(samples(1))
    await turns()
    assert kafka.sizes == [FLUSH_SAMPLES]


async def test_fewer_go_out_together_after_a_while(
    kafka: Kafka, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.02)
    for _ in range(3):
        await publisher.add(samples(2))
    async with asyncio.timeout(5):
        while not kafka.sizes:
            await asyncio.sleep(0.005)
    assert kafka.sizes == [6]


async def test_a_batch_is_acknowledged_when_kafka_has_all_of_it(
    kafka: Kafka, publisher: Publisher
) -> None:
    acknowledged: list[str] = []
    await publisher.add(samples(2 * FLUSH_SAMPLES), lambda: acknowledged.append("large"))
    await publisher.add(samples(1), lambda: acknowledged.append("small"))
    await turns()
    assert acknowledged == []
    kafka.has_them.set()
    assert await publisher.drain(5) == 0
    assert acknowledged == ["large", "small"]


async def test_an_acknowledgement_that_raises_keeps_nothing_from_flowing(
    kafka: Kafka, publisher: Publisher
) -> None:
    acknowledged: list[int] = []
    kafka.has_them.set()
    await publisher.add(samples(1), lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    await publisher.add(samples(1), lambda: acknowledged.append(1))
    assert await publisher.drain(5) == 0
    assert acknowledged == [1]
    assert not publisher.failed.done()


async def test_reading_waits_at_the_bound_and_loses_nothing_if_it_is_given_up(
    kafka: Kafka, publisher: Publisher
) -> None:
    await publisher.add(samples(MOST_UNACKNOWLEDGED - 1))
    with capture_logs() as said:
        blocked = asyncio.create_task(publisher.add(samples(7)))
        await turns()
    assert not blocked.done()
    assert [(one["event"], one["error"]) for one in said] == [
        ("reading stands still", f"{MOST_UNACKNOWLEDGED + 6} samples wait for Kafka")
    ]
    blocked.cancel()  # the connector is stopped meanwhile
    publisher.put(samples(1))  # flags still find room
    await turns()
    kafka.has_them.set()
    assert await publisher.drain(5) == 0
    assert sum(kafka.sizes) == MOST_UNACKNOWLEDGED + 7


async def test_a_drain_without_kafka_ends_and_tells_what_is_left(publisher: Publisher) -> None:
    await publisher.add(samples(3))
    assert await publisher.drain(0.01) == 3


async def test_a_producer_that_can_send_nothing_any_more_is_told(
    kafka: Kafka, publisher: Publisher
) -> None:
    kafka.refuses = RuntimeError("fatal")
    await publisher.add(samples(1))
    await publisher.drain(5)
    with pytest.raises(RuntimeError, match="fatal"):
        publisher.failed.result()
