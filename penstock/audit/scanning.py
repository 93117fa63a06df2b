"""Counts what topics hold, record by record."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.errors import DecodeError, UnknownSchemaError
from penstock.kafka.client import place
from penstock.kafka.dead_letters import (
    ACTION,
    RETRY,
    header_texts,
    headers_of,
    origin_of,
)
from penstock.kafka.registry import Registry
from penstock.kafka.scan import Bounds, read
from penstock.kafka.topics import (
    LATE_ORIGIN,
    LATE_PROCESSOR,
    LATE_REASON,
    dead_letters,
    retries,
)
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import KafkaSettings
from schemas import SensorEvent

Late = Mapping[tuple[int, str, str], int]
"""Samples (of records that are none: 1) by the record's identity, processor and reason."""

ABSENT: Final = -1
"""No record lies at this offset: it was compacted away, or ends a transaction."""
BROKEN: Final = -2
"""The record follows no schema."""


@dataclass(slots=True)
class Scan:
    """What the records of a partition hold; arrays by offset, from `first` on."""

    first: int
    counts: NDArray[np.int64]
    """(N) samples of a SensorEvent, the lake's rows of a result, else 1; ABSENT or BROKEN."""
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
            # Without tags or figures one row takes the window back; another record is one.
            one.counts[at] = max(1, len(value.get("tags") or value.get("kpis") or ()))
            one.ids[at] = place_identity(partition, offset)
    return found


def scan_late(settings: KafkaSettings, registry: Registry, topic: str, bounds: Bounds) -> Late:
    """What a late topic holds; what came twice counts once."""
    found: dict[tuple[int, str, str], int] = {}
    for message in read(settings, topic, bounds):
        headers = header_texts(headers_of(message))
        why = headers.get(LATE_PROCESSOR, ""), headers.get(LATE_REASON, "")
        if origin := headers.get(LATE_ORIGIN, ""):  # a record that is late as a whole
            partition, _, offset = origin.partition("/")
            found[(place_identity(int(partition), int(offset)), *why)] = 1
            continue
        schema_id, body = unframe(message.value())
        event = decode(body, registry.schema(schema_id))
        found[(identity(event), *why)] = len(event.values)
    return found


class Letter(NamedTuple):
    """A dead letter of a component's partition."""

    offset: int
    """Of the record that it was."""
    attempt: int = 0
    epoch: str = ""


@dataclass(slots=True)
class Dead:
    """The dead letters of a topic, by component and partition."""

    letters: dict[tuple[str, int], set[Letter]] = field(default_factory=dict)
    """One that was buried twice counts once."""
    retried: dict[tuple[str, int], dict[Letter, int]] = field(default_factory=dict)
    """Those that are to be taken again, and where in the retry topic they lie."""

    def of(self, component: str, partition: int, first: int, end: int, epoch: str) -> list[Letter]:
        """A component's letters between two offsets, ascending; those of another epoch are not."""
        return sorted(
            letter
            for letter in self.letters.get((component, partition), ())
            if first <= letter.offset < end and letter.epoch in {"", epoch}
        )

    def left(
        self, component: str, partition: int, letters: Iterable[Letter], taken: int
    ) -> list[int]:
        """The offsets of letters that were not taken again before an offset of the retry topic."""
        retried = self.retried.get((component, partition), {})
        return sorted({one.offset for one in letters if retried.get(one, taken) >= taken})

    def taken(self, component: str, partition: int, epoch: str, until: int) -> list[int]:
        """The offsets of letters that lie before an offset of the retry topic, ascending."""
        retried = self.retried.get((component, partition), {})
        return sorted(
            {one.offset for one, at in retried.items() if at < until and one.epoch in {"", epoch}}
        )


def scan_dead(settings: KafkaSettings, topic: str, bounds: Callable[[str], Bounds]) -> Dead:
    """Which records of a topic became dead letters, and which of those are to be taken again."""
    found = Dead()
    for message in read(settings, dead := dead_letters(topic).name, bounds(dead)):
        with suppress(DecodeError):  # somebody else's
            key, letter = _letter(message)
            found.letters.setdefault(key, set()).add(letter)
    for message in read(settings, again := retries(topic).name, bounds(again)):
        if header_texts(headers_of(message)).get(ACTION) == RETRY:
            key, letter = _letter(message)
            found.retried.setdefault(key, {})[letter] = place(message)[2]
    return found


def _letter(message: Message) -> tuple[tuple[str, int], Letter]:
    origin = origin_of(headers_of(message))
    key = (origin.component, origin.partition)
    return key, Letter(origin.offset, origin.attempt, origin.epoch)


def identity(event: SensorEvent) -> int:
    """64 bits that tell an event from all others."""
    return _hash(f"{event.source}\0{event.session}\0{event.asset}\0{event.sequence}")


def place_identity(partition: int, offset: int) -> int:
    """64 bits that tell a record of a topic from all others."""
    return _hash(f"{partition}/{offset}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
