"""Makes messages of what a processor publishes."""

from typing import Any

from penstock.codec.batches import ParsedEvent
from penstock.codec.records import encode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.kafka import topics
from penstock.operator import Result
from penstock.processor import Processor
from schemas import Version
from streams.host.late import REASON, pick
from streams.host.outputs import Outgoing


class Encoders:
    """Makes messages of what a processor publishes.

    Args:
        processor: Whose results they are.
        result_schema: Id of the schema of its results.
        late_schema: Id of SensorEvent's schema for the late topic.
    """

    def __init__(self, processor: Processor, result_schema: int, late_schema: int) -> None:
        self.processor = processor
        self._result_schema = result_schema
        self._late_schema = late_schema
        self._late_topic = topics.late(processor.reads).name

    def result(self, result: Result, version: Version) -> Outgoing:
        """The message of a result."""
        datum = self.processor.to_avro(result, version)
        value = frame(self._result_schema, encode_record(self.processor.record, datum))
        return Outgoing(self.processor.writes, result.key.encode(), value)

    def late(self, parsed: ParsedEvent, mask: Any, reason: str) -> Outgoing:
        """The message of a record's late samples."""
        event = pick(parsed.event, mask)
        return Outgoing(
            self._late_topic,
            event.asset.encode(),
            frame(self._late_schema, encode(event)),
            [(REASON, reason.encode())],
        )
