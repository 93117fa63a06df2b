"""Creates the topics that are missing and holds those that exist against their contract."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.client import options, remedy_of, usable_options
from penstock.kafka.contracts import check_retention
from penstock.kafka.reasons import Reasons
from penstock.kafka.topics import (
    DEAD_LETTERS,
    HEADERS_BYTES,
    MAX_MESSAGE_BYTES,
    RETRIES,
    Topic,
)
from penstock.settings.plant import KafkaSettings

CREATE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.1
"""Between two looks whether a topic is known by now."""
_COMPACTED: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 << 20),
    "segment.ms": str(10 * 60_000),
    "min.cleanable.dirty.ratio": "0.1",
}
"""Kafka compacts closed segments only: by its defaults, 1 GiB or a week, when half is old."""
_NO_ANSWER: Final = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
)


def ensure_topics(
    settings: KafkaSettings, topics: Iterable[Topic], *, timeout: float = 5.0
) -> None:
    """Create what is missing, with the settings' partitions and replication.

    Args:
        settings: Where Kafka is.
        topics: What there should be.
        timeout: Seconds until Kafka should have said what there is.

    Raises:
        KafkaUnavailableError: No broker answers.
        ConfigurationError: librdkafka refuses a setting.
        TopicError: A topic exists with another number of partitions, or deletes what is to be
            compacted, or cannot be created.
    """
    wanted = {topic.name: topic for topic in topics}
    reasons = Reasons(settings)
    with usable_options():
        admin = AdminClient(options(settings, client_id="penstock-admin", error_cb=reasons))
    found = _partitions(admin, reasons, timeout)
    _compare(wanted, found, settings)  # first, so that a slip creates nothing
    check_retention(admin, [topic for name, topic in wanted.items() if name in found], timeout)
    missing = [_new(topic, settings) for name, topic in wanted.items() if name not in found]
    if missing:
        for name, future in admin.create_topics(missing, request_timeout=CREATE_SECONDS).items():
            _created(name, future, settings)
        _compare(wanted, _once_known(wanted, admin, settings, reasons), settings)


def _once_known(
    wanted: Iterable[str],
    admin: AdminClient,
    settings: KafkaSettings,
    reasons: Reasons,
) -> dict[str, int]:
    """The partitions of topics as soon as the brokers know all that were created just now."""
    deadline = time.monotonic() + CREATE_SECONDS
    while True:
        found = _partitions(admin, reasons, CREATE_SECONDS)
        unknown = [name for name in wanted if not found.get(name)]
        if not unknown:
            return found
        if time.monotonic() > deadline:
            msg = f"{', '.join(unknown)}: created, but not known to the brokers after a while"
            raise KafkaUnavailableError(msg, where=settings.bootstrap)
        time.sleep(_LOOK_SECONDS)


def _compare(wanted: Iterable[str], found: Mapping[str, int], settings: KafkaSettings) -> None:
    for name in wanted:
        count = found.get(name) or settings.partitions  # 0 while it is created elsewhere
        if count != settings.partitions:
            msg = f"the topic has {count} partitions, the configuration says {settings.partitions}"
            raise TopicError(
                msg,
                where=name,
                remedy=f"set kafka.partitions to {count}, or delete the topic if it may be lost",
            )


def _partitions(admin: AdminClient, reasons: Reasons, timeout: float) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=timeout)
    except KafkaException as error:
        admin.poll(0)
        raise reasons.unavailable(error.args[0].str()) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def topic_config(topic: Topic) -> dict[str, str]:
    """What a topic is created with: how long records are kept, and how large they may be."""
    kept = (
        _COMPACTED
        if topic.retention_ms is None
        else {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    )
    room = HEADERS_BYTES if topic.name.endswith((DEAD_LETTERS, RETRIES)) else 0
    return kept | {"max.message.bytes": str(MAX_MESSAGE_BYTES + room)}


def _new(topic: Topic, settings: KafkaSettings) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        config=topic_config(topic),
    )


def _created(name: str, future: Future[None], settings: KafkaSettings) -> None:
    try:
        future.result()
    except KafkaException as error:
        reason = error.args[0]
        if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        msg = f"the topic {name} cannot be created: {reason.str()}"
        starting = "brokers are currently fenced" in reason.str()  # as wrong a replication as any
        if reason.retriable() or reason.code() in _NO_ANSWER or starting:
            raise KafkaUnavailableError(msg, where=settings.bootstrap) from error
        remedy = "create it, or let Penstock's user create topics"
        if forbidden := remedy_of(reason):
            msg += " If it is there, Penstock's user may not see it."
            remedy = f"create it where it is missing; {forbidden}"
        raise TopicError(msg, where=settings.bootstrap, remedy=remedy) from error
