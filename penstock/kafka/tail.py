"""Follows topics from near their ends, as views do: no group, no commit, nothing kept."""

import time
import uuid
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import Place, options, place, usable_options
from penstock.kafka.log_bounds import log_bounds
from penstock.settings.plant import KafkaSettings

LOOK_SECONDS: Final = 5.0
"""Between two looks for topics that are made later."""
ANSWER_SECONDS: Final = 5.0


class Tail:
    """Reads topics from their last records on.

    Args:
        settings: Where Kafka is.
        back: Of each topic: how many records of a partition before its end to begin with; None:
            with its first. Topics that do not exist yet are followed once they do.
        client_id: Shown in the broker's logs.
    """

    def __init__(
        self, settings: KafkaSettings, back: dict[str, int | None], client_id: str
    ) -> None:
        with usable_options():
            self._consumer = Consumer(
                options(
                    settings,
                    client_id=client_id,
                    group_id=f"{client_id}-{uuid.uuid4().hex}",  # required, and never joined
                    enable_auto_commit=False,
                    auto_offset_reset="latest",
                    isolation_level="read_committed",
                    fetch_wait_max_ms=100,
                )
            )
        self._settings = settings
        self._back = dict(back)
        self._position: dict[Place, int] = {}
        self._looked = 0.0
        self.failing: str | None = None
        """Why the newest poll brought nothing; None where it could have."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self, most: int = 500, seconds: float = 0.2) -> list[Message]:
        """The next messages, at most so many; errors of a connection mend themselves.

        Raises:
            KafkaUnavailableError: Kafka does not say what topics there are.
        """
        self._look()
        self.failing, found = None, []
        for message in self._consumer.consume(most, seconds):
            if (error := message.error()) is not None:
                self.failing = error.str()
                continue
            topic, partition, offset = place(message)
            self._position[topic, partition] = offset + 1
            found.append(message)
        return found

    def to_end(self) -> list[Message]:
        """All that is there now.

        Raises:
            KafkaUnavailableError: Kafka does not give it.
        """
        self._look()
        ends = self._ends()
        found: list[Message] = []
        deadline = time.monotonic() + ANSWER_SECONDS
        while any(self._position[name] < end for name, end in ends.items()):
            more = self.poll()
            found += more
            if more:
                deadline = time.monotonic() + ANSWER_SECONDS
                continue
            # The ends of transactions count as records, and are none.
            for part in self._consumer.position([TopicPartition(*name) for name in ends]):
                if part.offset > 0:
                    self._position[part.topic, part.partition] = part.offset
            if time.monotonic() > deadline:
                msg = "Kafka does not give the records"
                raise KafkaUnavailableError(msg, where=self._settings.bootstrap)
        return found

    def lag(self) -> int:
        """Records not yet read, as far as the client knows."""
        lag = 0
        for name, position in self._position.items():
            end = self._consumer.get_watermark_offsets(TopicPartition(*name), cached=True)[1]
            lag += max(0, end - position)
        return lag

    def skip(self, topics: Iterable[str]) -> None:
        """Go on at the ends of some topics: who shows the newest values needs no others."""
        wanted = set(topics)
        for topic, partition in self._position:
            if topic in wanted:
                self._consumer.seek(TopicPartition(topic, partition, OFFSET_END))

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def _look(self) -> None:
        """Take in partitions that were not there before."""
        if self._position and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            metadata = self._consumer.list_topics(timeout=ANSWER_SECONDS)
            new = [
                (name, number)
                for name in sorted(self._back.keys() & metadata.topics.keys())
                for number in metadata.topics[name].partitions
                if (name, number) not in self._position
            ]
            for name in new:
                self._position[name] = self._begin(name)
            if new:
                parts = [TopicPartition(*name, at) for name, at in self._position.items()]
                self._consumer.assign(parts)
        except KafkaException as error:
            msg = f"Kafka does not answer: {error.args[0].str()}"
            raise KafkaUnavailableError(
                msg, where=self._settings.bootstrap, remedy="is it up, and kafka.bootstrap right?"
            ) from error

    def _begin(self, name: Place) -> int:
        low, high = log_bounds(self._consumer, name, ANSWER_SECONDS)
        back = self._back[name[0]]
        return low if back is None else max(low, high - back)

    def _ends(self) -> dict[Place, int]:
        try:
            return {
                name: log_bounds(self._consumer, name, ANSWER_SECONDS)[1] for name in self._position
            }
        except KafkaException as error:
            msg = f"Kafka does not answer: {error.args[0].str()}"
            raise KafkaUnavailableError(msg, where=self._settings.bootstrap) from error
