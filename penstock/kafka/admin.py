"""Creates the topics that are missing and holds those that exist against their contract."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.client import options
from penstock.kafka.topics import Topic
from penstock.settings.plant import KafkaSettings

MAX_MESSAGE_BYTES = 10_485_760
"""Of every topic: a snapshot's row of a large asset does not fit Kafka's default of 1 MiB."""


def ensure_topics(
    settings: KafkaSettings, topics: Iterable[Topic], *, timeout: float = 30.0
) -> dict[str, int]:
    """Create what is missing, with the settings' partitions and replication.

    Returns:
        The number of partitions of each topic.

    Raises:
        KafkaUnavailableError: No broker answers.
        TopicError: A topic exists with another number of partitions, or cannot be created.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = AdminClient(options(settings, client_id="penstock-admin"))
    found = _partitions(admin, settings, timeout)
    missing = [_new(topic, settings) for name, topic in wanted.items() if name not in found]
    if missing:
        for name, future in admin.create_topics(missing, request_timeout=timeout).items():
            _created(name, future)
        found = _partitions(admin, settings, timeout)
    for name in wanted:
        count = found.get(name, settings.partitions)
        if count != settings.partitions:
            msg = f"the topic has {count} partitions, the configuration says {settings.partitions}"
            raise TopicError(
                msg,
                where=name,
                remedy=f"set kafka.partitions to {count}, or delete the topic if it may be lost",
            )
    return {name: settings.partitions for name in wanted}


def _partitions(admin: AdminClient, settings: KafkaSettings, timeout: float) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=timeout)
    except KafkaException as error:
        msg = f"no broker answers: {error.args[0].str()}"
        raise KafkaUnavailableError(
            msg, where=settings.bootstrap, remedy="'penstock up' starts a local one"
        ) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _new(topic: Topic, settings: KafkaSettings) -> NewTopic:
    kept = (
        {"cleanup.policy": "compact"}
        if topic.retention_ms is None
        else {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    )
    return NewTopic(
        topic.name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        config=kept | {"max.message.bytes": str(MAX_MESSAGE_BYTES)},
    )


def _created(name: str, future: object) -> None:
    try:
        future.result()  # type: ignore[attr-defined]  # confluent-kafka's stubs lack the type
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            msg = f"the topic cannot be created: {error.args[0].str()}"
            raise TopicError(msg, where=name) from error
