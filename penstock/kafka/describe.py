"""Asks Kafka what topics and groups are: ids, ends, offsets at a time, members."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.client import options, remedy_of, usable_options
from penstock.kafka.reasons import Reasons
from penstock.settings.plant import KafkaSettings

T = TypeVar("T")

ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What a topic is; a topic that was deleted and created again has another id."""

    id: str
    partitions: int
    replication: int
    """The least of its partitions."""


class Describer:
    """Asks; keeps its connection. All methods block.

    Args:
        settings: Where Kafka is.
        timeout: Seconds for an answer.
    """

    def __init__(self, settings: KafkaSettings, timeout: float = ANSWER_SECONDS) -> None:
        self._settings = settings
        self._timeout = timeout
        self._admin = self._client()

    def names(self) -> set[str]:
        """The names of all topics.

        Raises:
            KafkaUnavailableError: No broker answers.
        """
        return set(self.partitions())

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic has.

        Raises:
            KafkaUnavailableError: No broker answers.
        """
        try:
            found = self._admin.list_topics(timeout=self._timeout).topics
        except KafkaException as failure:
            self._admin.poll(0)
            unavailable = self._reasons.unavailable(failure.args[0].str())
            self._admin = self._client()
            raise unavailable from failure
        return {name: len(topic.partitions) for name, topic in found.items()}

    def topic(self, name: str) -> TopicFacts:
        """What a topic is.

        Raises:
            TopicError: There is none of this name.
            KafkaUnavailableError: No broker answers.
        """
        return self.topics([name])[name]

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """What some topics are, by name, in one question.

        Raises:
            TopicError: There is none of a name.
            KafkaUnavailableError: No broker answers.
        """
        asked = self._admin.describe_topics(
            TopicCollection(list(names)), request_timeout=self._timeout
        )
        facts = {}
        for name, future in asked.items():
            found = self._answer(future, name)
            replication = min((len(part.replicas) for part in found.partitions), default=0)
            facts[name] = TopicFacts(str(found.topic_id), len(found.partitions), replication)
        return facts

    def settings(self, topic: str) -> dict[str, str | None]:
        """A topic's settings by name.

        Raises:
            TopicError: There is none of this name.
            KafkaUnavailableError: No broker answers.
        """
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._admin.describe_configs([resource], request_timeout=self._timeout)
        return {name: one.value for name, one in self._answer(asked[resource], topic).items()}

    def bounds(
        self, topic: str, partitions: Iterable[int], *, committed: bool = False
    ) -> dict[int, tuple[int, int]]:
        """Of each partition the first offset held and the next to be written.

        Args:
            topic: Which.
            partitions: Of it.
            committed: Whether to end where a transaction is open, as who reads committed records.

        Raises:
            TopicError: There is no such topic or partition.
            KafkaUnavailableError: No broker answers.
        """
        numbers = list(partitions)
        first = self._offsets(topic, numbers, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        end = self._offsets(topic, numbers, latest, committed=committed)
        return {number: (first[number], end[number]) for number in numbers}

    def offsets_at(self, topic: str, partitions: Iterable[int], time: int) -> dict[int, int]:
        """Of each partition the first offset appended at a time or later, else its end.

        Raises:
            TopicError: There is no such topic or partition.
            KafkaUnavailableError: No broker answers.
        """
        numbers = list(partitions)
        spec = OffsetSpec.for_timestamp(time // 1000)
        found = self._offsets(topic, numbers, spec)
        bounds = self.bounds(topic, numbers)
        return {n: bounds[n][1] if at < 0 else at for n, at in found.items()}

    def _offsets(
        self, topic: str, numbers: Sequence[int], spec: Any, *, committed: bool = False
    ) -> dict[int, int]:
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        asked = self._admin.list_offsets(
            {TopicPartition(topic, number): spec for number in numbers},
            isolation_level=level,
            request_timeout=self._timeout,
        )
        return {
            at.partition: int(self._answer(future, topic).offset) for at, future in asked.items()
        }

    def members(self, group: str) -> int:
        """How many consumers a group has.

        Raises:
            KafkaUnavailableError: No broker answers.
        """
        asked = self._admin.describe_consumer_groups([group], request_timeout=self._timeout)
        try:
            return len(self._answer(asked[group], group).members)
        except TopicError:  # nobody ever joined
            return 0

    def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """The offsets that a group has committed of a topic, by partition.

        Raises:
            KafkaUnavailableError: No broker answers.
        """
        asked = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=self._timeout
        )
        try:
            found = self._answer(asked[group], group).topic_partitions or []
        except TopicError:
            return {}
        return {at.partition: at.offset for at in found if at.topic == topic and at.offset >= 0}

    def _client(self) -> AdminClient:
        self._reasons = Reasons(self._settings)
        with usable_options():
            return AdminClient(
                options(self._settings, client_id="penstock-describe", error_cb=self._reasons)
            )

    def _answer(self, future: Future[T], where: str) -> T:
        """What Kafka answers; where it does not, the next question goes through a new client.

        One that has once been told of no brokers at all may not find them again.
        """
        try:
            self._reasons.wait(self._admin, future)
            return future.result()
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() in _UNKNOWN:
                msg = f"Kafka does not know it: {error.str()}"
                raise TopicError(
                    msg, where=where, remedy="a worker creates the topics that it needs"
                ) from failure
            if remedy := remedy_of(error):
                msg = f"Kafka cannot be asked: {error.str()}"
                raise KafkaUnavailableError(msg, where=where, remedy=remedy) from failure
            self._admin.poll(0)
            unavailable = self._reasons.unavailable(error.str())
            self._admin = self._client()
            raise unavailable from failure
        except KafkaUnavailableError:
            self._admin = self._client()
            raise


_UNKNOWN: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.GROUP_ID_NOT_FOUND,
}
