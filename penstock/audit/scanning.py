"""Counts what topics hold, record by record."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from numpy.typing import NDArray

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.errors import DecodeError, KafkaUnavailableError, UnknownSchemaError
from penstock.kafka.client import options, place
from penstock.kafka.dead_letters import PREFIX
from penstock.kafka.registry import Registry
from penstock.kafka.topics import LATE_ORIGIN, LATE_PROCESSOR, LATE_REASON
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import KafkaSettings
from schemas import SensorEvent

Bounds = Mapping[int, tuple[int, int]]
"""Of each partition the first offset and the one behind the last."""
Late = Mapping[tuple[int, str, str], int]
"""Samples (of records that are none: 1) by the record's identity, processor and reason."""

ABSENT: Final = -1
"""No record lies at this offset: it was compacted away, or ends a transaction."""
BROKEN: Final = -2
"""The record follows no schema."""
_READ_SECONDS: Final = 30.0


@dataclass(slots=True)
class Scan:
    """What the records of a partition hold; arrays by offset, from `first` on."""

    first: int
    counts: NDArray[np.int64]
    """(N) samples of a SensorEvent, rows of a WindowStatistics, else 1; ABSENT or BROKEN."""
    ids: NDArray[np.uint64]
    """(N) hash of source, session, asset and sequence of a SensorEvent, else of the offset."""

    @classmethod
    def of(cls, first: int, end: int) -> "Scan":
        """Of a partition that nothing was read of yet."""
        length = max(0, end - first)
        return cls(first, np.full(length, ABSENT, np.int64), np.zeros(length, np.uint64))

    def part(self, first: int, end: int) -> "Scan":
        """From one offset to another."""
        cut = slice(max(0, first - self.first), max(0, end - self.first))
        return Scan(max(first, self.first), self.counts[cut], self.ids[cut])

    @property
    def rows(self) -> NDArray[np.int64]:
        """(N) what is held, 0 where nothing is."""
        return np.maximum(self.counts, 0)


def scan(
    settings: KafkaSettings, registry: Registry, topic: str, bounds: Bounds
) -> dict[int, Scan]:
    """Count the records of a topic that sinks take.

    Raises:
        KafkaUnavailableError: It cannot be read to its end.
        RegistryUnavailableError: The registry does not answer.
    """
    found = {number: Scan.of(*ends) for number, ends in bounds.items()}
    decoder = Decoder(registry)
    for message in read(settings, topic, bounds):
        _, partition, offset = place(message)
        at, one = offset - bounds[partition][0], found[partition]
        try:
            value: Any = decoder.record(message).value
        except (DecodeError, UnknownSchemaError):
            one.counts[at] = BROKEN
            continue
        if isinstance(value, SensorEvent):
            one.counts[at], one.ids[at] = len(value.values), identity(value)
        else:
            # Without tags one row takes the window back; a record of another kind is one.
            one.counts[at] = max(1, len(value.get("tags", ())))
            one.ids[at] = place_identity(partition, offset)
    return found


def scan_late(settings: KafkaSettings, registry: Registry, topic: str, bounds: Bounds) -> Late:
    """What a late topic holds; what came twice counts once."""
    found: dict[tuple[int, str, str], int] = {}
    for message in read(settings, topic, bounds):
        why = _header(message, LATE_PROCESSOR), _header(message, LATE_REASON)
        if origin := _header(message, LATE_ORIGIN):  # a record that is late as a whole
            partition, _, offset = origin.partition("/")
            found[(place_identity(int(partition), int(offset)), *why)] = 1
            continue
        schema_id, body = unframe(message.value())
        event = decode(body, registry.schema(schema_id))
        found[(identity(event), *why)] = len(event.values)
    return found


@dataclass(slots=True)
class Dead:
    """The places of dead letters."""

    places: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    """Offsets by component and partition; one that was buried twice counts once."""

    def of(self, component: str, partition: int, first: int, end: int) -> list[int]:
        """Offsets of a component's dead letters between two offsets, ascending."""
        offsets = self.places.get((component, partition), set())
        return sorted(offset for offset in offsets if first <= offset < end)


def scan_dead(settings: KafkaSettings, topic: str, bounds: Bounds) -> Dead:
    """Where the records of a dead-letter topic came from."""
    found = Dead()
    for message in read(settings, topic, bounds):
        names = ("connector.name", "partition", "offset")
        component, partition, offset = (_header(message, PREFIX + name) for name in names)
        if component and partition and offset:
            found.places.setdefault((component, int(partition)), set()).add(int(offset))
    return found


def _header(message: Message, name: str) -> str:
    value = dict(message.headers() or ()).get(name) or b""
    return value if isinstance(value, str) else value.decode(errors="replace")


def identity(event: SensorEvent) -> int:
    """64 bits that tell an event from all others."""
    return _hash(f"{event.source}\0{event.session}\0{event.asset}\0{event.sequence}")


def place_identity(partition: int, offset: int) -> int:
    """64 bits that tell a record of a topic from all others."""
    return _hash(f"{partition}/{offset}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def read(settings: KafkaSettings, topic: str, bounds: Bounds) -> Iterator[Message]:
    """All records between bounds.

    Raises:
        KafkaUnavailableError: They cannot be read.
    """
    left = {number for number, (first, end) in bounds.items() if first < end}
    consumer = Consumer(
        options(
            settings,
            group_id="penstock-audit",  # never joined: partitions are assigned by hand
            enable_auto_commit=False,
            auto_offset_reset="error",
            isolation_level="read_committed",
            enable_partition_eof=True,
        )
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, number, bounds[number][0]) for number in left])
        progress = time.monotonic()
        while left:
            messages = consumer.consume(1000, 0.1)
            if messages:
                progress = time.monotonic()
            elif time.monotonic() - progress > _READ_SECONDS:
                msg = f"the topic cannot be read to its end within {_READ_SECONDS:g} s"
                raise KafkaUnavailableError(msg, where=topic)
            for message in messages:
                if _ends(message, bounds, topic):
                    left.discard(message.partition() or 0)
                if message.error() is None and place(message)[2] < bounds[place(message)[1]][1]:
                    yield message


def _ends(message: Message, bounds: Bounds, topic: str) -> bool:
    """Whether nothing of interest follows in this partition."""
    error = message.error()
    if error is None:
        _, partition, offset = place(message)
        return offset + 1 >= bounds[partition][1]
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.retriable():
        return False
    msg = f"the topic cannot be read: {error.str()}"
    raise KafkaUnavailableError(msg, where=topic) from KafkaException(error)
