"""Publishes a replay to Kafka with its own event time, each row exactly once.

Rows go out in transactions, and with them, as the committed offset of a group of the replay's own,
the number of the next row: after a kill the group says what Kafka has. Such offsets expire after
days; the note then still knows what was done.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, NamedTuple

from penstock.clock import now
from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.connector import Sample
from penstock.history.note import Notebook
from penstock.history.pace import Pace
from penstock.history.reel import Reel
from penstock.kafka.admin import ensure_topics
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import Plant
from penstock.state.once import Message, OnceWriter

FLUSH_SECONDS: Final = 0.5
"""Rows that are due within it go out together: readers see them up to so much later."""
_SAMPLES: Final = 20_000
"""Of one transaction."""
_EVENT: Final = 1_000
"""Samples of one event."""
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
            FencedError: Another process replays under this name.
            RegistryUnavailableError: The registry does not answer.
        """
        ensure_topics(self._plant.kafka, [SENSORS])
        with closing(Registry(self._plant.registry)) as registry:
            schema_id = registry.register(SENSORS.name, str(SENSORS.record))
        group = f"{self._name}-{self._book.note.run}"
        with closing(OnceWriter(self._plant.kafka, self._name, group, SENSORS.name)) as writer:
            first = row = max(self._book.note.row, writer.next or 0)
            pace, samples = Pace(self._reel.due, speed, row), 0
            while row < len(self._reel) and not stopping():
                if (wait := pace.wait(row)) > 0:
                    time.sleep(min(wait, _LOOK_SECONDS))
                    continue
                began = time.monotonic()
                end = min(max(pace.end(), row + 1), row + self._rows())
                chosen = list(self._reel.samples(row, end))
                writer.write(self._messages(chosen, schema_id), end)
                samples += len(chosen)
                row = end
                self._book.write(row)
                if speed != float("inf"):
                    time.sleep(max(0.0, FLUSH_SECONDS - (time.monotonic() - began)))
            self._book.write(row)
        return Replayed(first, row, samples)

    def _rows(self) -> int:
        """Rows of one transaction, however many are due."""
        return max(1, _SAMPLES // max(len(table.tags) for table in self._reel.tables))

    def _messages(self, samples: list[Sample], schema_id: int) -> Iterator[Message]:
        for first in range(0, len(samples), _EVENT):
            for event in build_events(
                samples[first : first + _EVENT],
                source=self._source,
                session=self._session,
                sequences=self._sequences,
                ingest=now(),
            ):
                yield Message(SENSORS.name, event.asset.encode(), frame(schema_id, encode(event)))
