"""Holds topics that exist against what is agreed on them: that Kafka keeps what is needed."""

from collections.abc import Iterable
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.client import FORBIDDEN
from penstock.kafka.topics import Topic

_log = structlog.get_logger()
_GONE: Final = KafkaError.UNKNOWN_TOPIC_OR_PART


def check_retention(admin: AdminClient, topics: Iterable[Topic], timeout: float) -> None:
    """Refuse a topic that loses state; log one warning of those that keep less than agreed.

    Topics whose settings we may not see are logged, too; those that are gone are passed over.

    Args:
        admin: Connected.
        topics: That exist.
        timeout: Seconds for an answer.

    Raises:
        TopicError: A topic to be compacted deletes.
        KafkaUnavailableError: No broker answers.
    """
    asked = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
    if not asked:
        return
    unseen, short = [], {}
    for resource, future in admin.describe_configs(list(asked), request_timeout=timeout).items():
        topic = asked[resource]
        try:
            found = {name: one.value or "" for name, one in future.result().items()}
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() in FORBIDDEN:
                unseen.append(topic.name)
            elif error.code() != _GONE:
                msg = f"Kafka cannot be asked for its settings: {error.str()}"
                raise KafkaUnavailableError(msg, where=topic.name) from failure
        else:
            if lack := _lack(topic, found):
                short[topic.name] = lack
    if short:
        _log.warning("topics keep less than agreed", topics=short)
    if unseen:
        _log.warning("topics cannot be checked: no right to describe their settings", topics=unseen)


def check_compacted(topic: str, policy: str) -> None:
    """Refuse a topic of state that is not kept as its policy says.

    Args:
        topic: Its name.
        policy: Its `cleanup.policy`.

    Raises:
        TopicError: It deletes.
    """
    if policy != "compact":
        msg = f"cleanup.policy is {policy!r}: Kafka would delete what is still needed"
        raise TopicError(msg, where=topic, remedy="set cleanup.policy=compact")


def _lack(topic: Topic, found: dict[str, str]) -> str | None:
    """In what a topic keeps less than agreed.

    Raises:
        TopicError: It is to be compacted, and deletes.
    """
    policy = found["cleanup.policy"]
    if topic.retention_ms is None:
        check_compacted(topic.name, policy)
        return None
    if policy != "delete":
        return f"cleanup.policy is {policy}, not delete"
    kept = int(found["retention.ms"])
    if 0 <= kept < topic.retention_ms:  # -1: for ever
        return f"retention.ms is {kept}, not {topic.retention_ms}"
    return None
