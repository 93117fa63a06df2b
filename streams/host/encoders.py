"""Makes messages of what a processor publishes."""

from collections.abc import Mapping
from typing import Any

from penstock.clock import Clock, now
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.kafka import cloud_events, topics
from penstock.kafka.client import Headers
from penstock.operator import Result
from penstock.processor import Processor
from schemas import SensorEvent, Version
from streams.host.late import pick
from streams.host.outputs import Outgoing
from streams.host.record import Record


class Encoders:
    """Makes messages of what a processor publishes.

    Args:
        processor: Whose results they are.
        result_schema: Id of the schema of its results.
        late_schemas: By topic that it reads, the id of the schema for its late topic.
        source: Whose results they are, for the headers of those that IT reads.
        clock: Gives the time of those headers.
    """

    def __init__(
        self,
        processor: Processor,
        result_schema: int,
        late_schemas: Mapping[str, int],
        source: str,
        clock: Clock = now,
    ) -> None:
        self.processor = processor
        self._result_schema = result_schema
        self._late_schemas = late_schemas
        self._source, self._clock = source, clock
        self._tells = processor.writes in cloud_events.TELLING

    def result(self, result: Result, version: Version) -> Outgoing:
        """The message of a result."""
        value = frame(self._result_schema, self.processor.encode(result, version))
        headers = self._headers(result.key, version) if self._tells else ()
        return Outgoing(self.processor.writes, result.key.encode(), value, headers)

    def _headers(self, key: str, version: Version) -> Headers:
        event = (version.epoch, *version.offsets, version.emission)
        event_id = f"{key}/{'.'.join(map(str, event))}"
        return cloud_events.headers(self.processor.record, self._source, event_id, self._clock())

    def late_samples(self, topic: str, event: SensorEvent, mask: Any, reason: str) -> Outgoing:
        """The message of an event's late samples."""
        picked = pick(event, mask)
        value = frame(self._late_schemas[topic], encode(picked))
        return self._late(topic, picked.asset.encode(), value, (), reason)

    def late_record(self, topic: str, record: Record, partition: int, reason: str) -> Outgoing:
        """The message of a late record, byte for byte."""
        origin = (topics.LATE_ORIGIN, f"{partition}/{record.offset}".encode())
        return self._late(topic, record.key, record.value, [*record.headers, origin], reason)

    def _late(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, reason: str
    ) -> Outgoing:
        why = [
            (topics.LATE_REASON, reason.encode()),
            (topics.LATE_PROCESSOR, self.processor.name.encode()),
        ]
        return Outgoing(topics.late(topic).name, key, value, [*headers, *why])
