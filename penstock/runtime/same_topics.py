"""Whether the topics that a sink reads are still the ones that it opened."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.client import Place
from penstock.kafka.describe import Describer
from penstock.kafka.topic_ids import refuse_another
from penstock.settings.plant import KafkaSettings
from penstock.sink import Sink

ANSWER_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 5.0
"""So often Kafka is asked."""


class SameTopics:
    """Tells a sink the ids of its topics, and asks from time to time whether they still are these.

    Args:
        kafka: Where Kafka is.
        sink: Who reads.
        monotonic: Seconds.
    """

    def __init__(
        self, kafka: KafkaSettings, sink: Sink, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink = sink
        self._monotonic = monotonic
        self._describer = Describer(kafka, ANSWER_SECONDS)
        self._looked = monotonic()

    def learn(self, names: Iterable[str]) -> None:
        """Tell the sink which topics it is about to open.

        Raises:
            KafkaUnavailableError: Kafka does not answer, or does not know one of them yet.
        """
        try:
            self._sink.topic_ids = self._ids(names)
        except TopicError as error:  # made or deleted just now: who reads it will hear
            raise KafkaUnavailableError(error.message, where=error.where) from error

    def look(self, positions: Mapping[Place, int]) -> None:
        """Ask, if it is time to; while Kafka is away there is nothing to see.

        Args:
            positions: How far the sink has read.

        Raises:
            TopicError: One was deleted and created again.
        """
        if not positions or self._monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = self._monotonic()
        now: Mapping[str, str] = {}
        with suppress(KafkaUnavailableError, TopicError):  # one that is gone is not yet another
            now = self._ids({topic for topic, _ in positions})
        for place, offset in positions.items():
            known, found = self._sink.topic_ids.get(place[0]), now.get(place[0])
            refuse_another(place, offset, known=known, now=found)

    def _ids(self, names: Iterable[str]) -> dict[str, str]:
        found = self._describer.topics(sorted(names))
        return {name: facts.id for name, facts in found.items()}
