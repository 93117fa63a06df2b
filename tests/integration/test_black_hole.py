"""Kafka gone without a word, as when its pod's address is: clients find it again by themselves.

Each test waits less long (`host_rig.DEADLINE`) than Faust and librdkafka wait by themselves.
"""

import asyncio
import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Consumer, KafkaError

from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options
from penstock.kafka.producers import EventProducer
from penstock.kafka.topics import DAY_MS, Topic
from penstock.settings.plant import KafkaSettings, RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from black_hole import BlackHole, black_hole
from host_rig import DEADLINE, Rig, assert_books

NEVER = 3_600.0


@pytest.fixture(scope="module")
def hole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlackHole]:
    with black_hole(tmp_path_factory.mktemp("hole")) as hole:
        yield hole


@pytest.fixture
def rig(hole: BlackHole, registry: RegistrySettings, unique: str, tmp_path: Path) -> Iterator[Rig]:
    """Its worker goes through the proxy and has no watchdog; the test itself goes past it."""
    rig = Rig(hole.direct, registry, unique, tmp_path)
    rig.arguments = replace(
        rig.arguments,
        bootstrap=hole.through.bootstrap,
        host=rig.arguments.host | {"stalled_after": NEVER},
    )
    yield rig
    rig.stop()


def test_a_worker_whose_connections_are_lost_reads_on(hole: BlackHole, rig: Rig) -> None:
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(400)
    rig.await_exact()
    hole.proxy.swallow()
    rig.feed(200)
    time.sleep(1.0)  # so long is Kafka away
    hole.proxy.heal()
    rig.feed(200)
    rig.await_exact()
    assert worker.poll() is None
    assert_books(rig, processed=800)


async def test_what_connectors_send_and_sinks_read_goes_on_after_their_connections_are_lost(
    hole: BlackHole, unique: str
) -> None:
    found: list[bytes | None] = []
    with ends(hole, hole.through, unique) as (producer, consumer):
        await producer.deliver(unique, "a", b"before")
        await asyncio.to_thread(read, consumer, found, 1)
        hole.proxy.swallow()
        sending = producer.send(unique, "a", b"meanwhile")
        await asyncio.to_thread(read, consumer, found, 2, 1.0)  # so long is Kafka away
        hole.proxy.heal()
        await asyncio.wait_for(sending, DEADLINE)
        await asyncio.to_thread(read, consumer, found, 2)
    assert found == [b"before", b"meanwhile"]


async def test_what_was_under_way_when_a_producer_broke_is_sent_by_another(
    hole: BlackHole, unique: str
) -> None:
    found: list[bytes | None] = []
    values = [f"{n}".encode() for n in range(50)]
    with ends(hole, hole.direct, unique) as (producer, consumer):
        await producer.deliver(unique, "a", b"before")
        hole.proxy.swallow()
        sending = [asyncio.ensure_future(producer.deliver(unique, "a", one)) for one in values]
        await asyncio.sleep(0.2)  # till they are on their way, in a request that nobody answers
        break_producer(producer)
        hole.proxy.heal()
        await asyncio.wait_for(asyncio.gather(*sending), DEADLINE)
        await asyncio.to_thread(read, consumer, found, 51)
    assert {*found} == {b"before", *values}


@contextmanager
def ends(
    hole: BlackHole, reads: KafkaSettings, unique: str
) -> Iterator[tuple[EventProducer, Consumer]]:
    """A producer through the proxy, and a reader of its topic by `reads`."""
    ensure_topics(hole.direct, [Topic(unique, "SensorEvent", DAY_MS)])
    group = options(reads, group_id=unique, auto_offset_reset="earliest")
    producer = EventProducer(hole.through, unique)
    with closing(Consumer(group)) as consumer, closing(producer):
        consumer.subscribe([unique])
        yield producer, consumer


def break_producer(producer: EventProducer) -> None:
    """Bring librdkafka to the error that it comes to where a sequence breaks, as its tests do."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    (file,) = folder.glob("librdkafka*")
    break_it = ctypes.CDLL(str(file)).rd_kafka_test_fatal_error
    break_it.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    own = producer._polled.producer
    handle = ctypes.c_void_p.from_address(id(own) + object.__basicsize__)  # after Python's own head
    assert break_it(handle, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"for a test") == 0


def read(
    consumer: Consumer, found: list[bytes | None], count: int, seconds: float = DEADLINE
) -> None:
    """Collect values until there are `count`, or the time is over."""
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += [one.value() for one in consumer.consume(10, 0.1) if one.error() is None]
