"""Samples one by one, for SQL engines and tools that dislike arrays.

    sinks:
      flat: {type: flatten}

Reads `ot.sensors.v1` and writes each sample as a record of its own, keyed by the asset, to
`ot.samples.v1`. What comes of an event, and how far the sink has read, go out in one transaction:
who reads `read_committed` finds each sample once, however often the sink was killed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import Any, Final

import pyarrow as pa
from pydantic import Field

from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.kafka.admin import ensure_topics
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SAMPLES, SENSORS, Topic
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord, SinkSettings
from penstock.state.fencing import transactional_id
from penstock.state.once import Message, OnceWriter
from sinks.lake_rows import sample_rows

_TRANSACTION: Final = 20_000
"""Samples of one transaction: they are written long before its time is up."""
_TIMES: Final = ("time", "server_time", "ingest_time")
_FIELDS: Final = ("asset", "source", "tag", "value", "text", "quality", *_TIMES)


class FlattenSettings(SinkSettings):
    """Where the samples go."""

    topic: str = Field(SAMPLES.name, description="Topic of Sample.")


class FlattenSink(Sink):
    """Writes each sample as a record of its own."""

    Settings = FlattenSettings
    settings: FlattenSettings
    transactional = True

    def __init__(self, name: str, settings: FlattenSettings, plant: Plant, **more: Any) -> None:
        super().__init__(name, settings, plant, **more)
        self._registry = Registry(plant.registry)
        self._schema_id: int | None = None
        self._writers: dict[int, OnceWriter] = {}
        self._pending: dict[int, list[SinkRecord]] = {}
        self._next: dict[int, int] = {}
        self._rows = 0

    @property
    def topics(self) -> Sequence[str]:
        """SensorEvents."""
        return [SENSORS.name]

    @property
    def writes(self) -> Sequence[Topic]:
        """The samples."""
        return [replace(SAMPLES, name=self.settings.topic)]

    @property
    def counters(self) -> dict[str, float]:
        """Samples written by this process."""
        return {"rows": float(self._rows)}

    def open(self, topic: str, partition: int) -> int | None:
        """Become the only writer of a partition's samples; go on where Kafka has them.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            RegistryUnavailableError: The registry does not answer.
            TopicError: The topic of samples has another number of partitions, or what Kafka has of
                them is of another topic of events.
        """
        self.close(topic, partition)
        if self._schema_id is None:
            ensure_topics(self.plant.kafka, self.writes)
            self._schema_id = self._registry.register(self.settings.topic, str(SAMPLES.record))
        name = transactional_id(self.plant.environment, self.name, partition)
        group = f"{self.plant.environment}-{self.name}-{self.settings.topic}"
        topic_id = self.topic_ids.get(topic, "")
        writer = OnceWriter(self.plant.kafka, name, group, topic, partition, topic_id)
        self._writers[partition] = writer
        return writer.next

    def close(self, topic: str, partition: int) -> None:
        """Forget what was not flushed; the partition's next owner reads it again."""
        del topic
        self._pending.pop(partition, None)
        self._next.pop(partition, None)
        if (writer := self._writers.pop(partition, None)) is not None:
            writer.close()

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Keep events until the next flush."""
        for record in records:
            self._pending.setdefault(record.partition, []).append(record)
            self._next[record.partition] = record.offset + 1

    def skip(self, topic: str, partition: int, offset: int) -> None:
        """Remember that a record needs no reading again."""
        del topic
        self._next[partition] = offset + 1

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Write the samples of each partition in transactions.

        Raises:
            KafkaUnavailableError: Kafka does not have them yet.
            FencedError: Another process has written a partition that was ours.
        """
        del force
        done = {}
        for partition, following in list(self._next.items()):
            records = self._pending.get(partition, [])
            while records:
                count = _together(records)
                rows = _rows(records[:count])
                self._writers[partition].write(self._messages(rows), records[count - 1].offset + 1)
                self._rows += len(rows)
                del records[:count]
            self._writers[partition].write((), following)
            del self._next[partition]
            done[SENSORS.name, partition] = following
        return done

    def _messages(self, rows: Sequence[dict[str, Any]]) -> Iterator[Message]:
        assert self._schema_id is not None, "flush comes after open"
        for row in rows:
            body = encode_record(str(SAMPLES.record), row)
            key = row["asset"].encode()
            yield Message(self.settings.topic, key, frame(self._schema_id, body))


def _together(records: Sequence[SinkRecord]) -> int:
    """How many of the first records go into one transaction; one at least."""
    samples = accumulate(len(record.value.values) for record in records)
    return max(1, sum(1 for _ in takewhile(_TRANSACTION.__ge__, samples)))


def _rows(records: Sequence[SinkRecord]) -> list[dict[str, Any]]:
    """One row per sample, as the lake has them, with times in microseconds."""
    if not records:
        return []
    rows = sample_rows(records).select(_FIELDS)
    for name in _TIMES:
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.int64()))
    found: list[dict[str, Any]] = rows.to_pylist()
    return found
