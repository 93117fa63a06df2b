"""Publishes a replay to Kafka with its own event time, each row exactly once.

Rows go out in transactions, and with them, as the committed offset of a group of the replay's own,
the number of the next row: after a kill the group says what Kafka has. Such offsets expire after
days; the note then still knows what was done.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from penstock.clock import now
from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.connector import Sample
from penstock.errors import KafkaUnavailableError
from penstock.history.note import Notebook
from penstock.history.pace import Pace
from penstock.history.reel import Reel
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, usable_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import Plant
from penstock.state.fencing import open_producer

FLUSH_SECONDS: Final = 0.5
"""Rows that are due within it go out together: readers see them up to so much later."""
_SAMPLES: Final = 20_000
"""Of one transaction."""
_EVENT: Final = 1_000
"""Samples of one event."""
_OPEN_MS: Final = 10_000
"""A transaction left open by a kill ends by itself after so long: readers wait for it."""
_COMMIT_SECONDS: Final = 30.0
_ASK_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.2


class Replayed(NamedTuple):
    """What one run of a replay did."""

    first: int
    end: int
    samples: int


class KafkaReplay:
    """One replay into the topic of sensor events.

    Args:
        plant: Where Kafka is.
        source: The name under which it publishes.
        reel: What to publish; assets by their full path.
        book: The note of how far it came.
    """

    def __init__(self, plant: Plant, source: str, reel: Reel, book: Notebook) -> None:
        self._plant, self._source, self._reel, self._book = plant, source, reel, book
        self._name = f"{plant.environment}-replay-{source}"
        self._sequences: dict[str, int] = {}
        self._session = f"{now():x}"

    def run(self, speed: float, stopping: Callable[[], bool]) -> Replayed:
        """Publish what is left.

        Args:
            speed: Seconds of history per second; infinity: as fast as Kafka takes them.
            stopping: Asked between transactions.

        Raises:
            KafkaUnavailableError: Kafka does not answer; given again, it goes on.
            RegistryUnavailableError: The registry does not answer.
        """
        ensure_topics(self._plant.kafka, [SENSORS])
        with closing(Registry(self._plant.registry)) as registry:
            schema_id = registry.register(SENSORS.name, str(SENSORS.record))
        producer = open_producer(self._plant.kafka, self._name, SENSORS.name, _OPEN_MS)
        with closing(producer), self._group() as group:
            first = row = max(self._book.note.row, self._committed(group))
            pace, samples = Pace(self._reel.due, speed, row), 0
            while row < len(self._reel) and not stopping():
                if (wait := pace.wait(row)) > 0:
                    time.sleep(min(wait, _LOOK_SECONDS))
                    continue
                began = time.monotonic()
                end = min(max(pace.end(), row + 1), row + self._rows())
                samples += self._publish(producer, group, schema_id, row, end)
                row = end
                self._book.write(row)
                if speed != float("inf"):
                    time.sleep(max(0.0, FLUSH_SECONDS - (time.monotonic() - began)))
            self._book.write(row)
        return Replayed(first, row, samples)

    def _rows(self) -> int:
        """Rows of one transaction, however many are due."""
        return max(1, _SAMPLES // max(len(table.tags) for table in self._reel.tables))

    def _publish(
        self, producer: Producer, group: Consumer, schema_id: int, row: int, end: int
    ) -> int:
        """Rows and the number of the next one, whole or not at all; gives their samples."""
        samples = list(self._reel.samples(row, end))
        try:
            producer.begin_transaction()
            for asset, message in self._messages(samples, schema_id):
                producer.produce(SENSORS.name, key=asset.encode(), value=message)
            producer.send_offsets_to_transaction(
                [TopicPartition(SENSORS.name, 0, end)],
                group.consumer_group_metadata(),
                _COMMIT_SECONDS,
            )
            producer.commit_transaction(_COMMIT_SECONDS)
        except (KafkaException, BufferError) as failure:
            msg = f"rows {row} to {end} are not known to be in Kafka: {failure}"
            raise KafkaUnavailableError(
                msg, where=SENSORS.name, remedy="give the command again: it goes on from there"
            ) from failure
        return len(samples)

    def _messages(self, samples: list[Sample], schema_id: int) -> Iterator[tuple[str, bytes]]:
        for first in range(0, len(samples), _EVENT):
            for event in build_events(
                samples[first : first + _EVENT],
                source=self._source,
                session=self._session,
                sequences=self._sequences,
                ingest=now(),
            ):
                yield event.asset, frame(schema_id, encode(event))

    @contextmanager
    def _group(self) -> Iterator[Consumer]:
        """The group whose offset counts rows; it is never joined."""
        with usable_options():
            group = Consumer(
                options(
                    self._plant.kafka,
                    client_id=self._name,
                    group_id=f"{self._name}-{self._book.note.run}",
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                )
            )
        with closing(group):
            yield group

    def _committed(self, group: Consumer) -> int:
        """The next row by what Kafka has; a group that is new has no coordinator for a moment."""
        deadline = time.monotonic() + _COMMIT_SECONDS
        while True:
            try:
                (known,) = group.committed([TopicPartition(SENSORS.name, 0)], timeout=_ASK_SECONDS)
            except KafkaException as failure:
                if time.monotonic() < deadline:
                    time.sleep(_LOOK_SECONDS)
                    continue
                msg = f"Kafka does not say how far the replay came: {failure.args[0].str()}"
                raise KafkaUnavailableError(msg, where=self._plant.kafka.bootstrap) from failure
            return max(0, known.offset)
