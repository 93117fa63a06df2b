"""Topics are made as agreed, and held against it where they exist."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from penstock.errors import TopicError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.describe import Describer
from penstock.kafka.topics import SENSORS, Topic, state
from penstock.settings.plant import KafkaSettings

HOUR_MS = "3600000"


@pytest.fixture
def name(kafka: KafkaSettings, unique: str) -> Iterator[str]:
    yield unique
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_topics([unique]).values():
        future.exception()


def exists(kafka: KafkaSettings, name: str, **settings: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    config = {key.replace("_", "."): value for key, value in settings.items()}
    topic = NewTopic(name, num_partitions=kafka.partitions, replication_factor=1, config=config)
    admin.create_topics([topic])[name].result()
    deadline = time.monotonic() + 20
    while name not in admin.list_topics(timeout=10).topics:  # the brokers learn it a moment later
        assert time.monotonic() < deadline


def warnings(kafka: KafkaSettings, topic: Topic) -> list[object]:
    with capture_logs() as logs:
        ensure_topics(kafka, [topic])
    return [log.get("topics") for log in logs if log["log_level"] == "warning"]


def test_state_is_compacted_within_minutes(kafka: KafkaSettings, name: str) -> None:
    ensure_topics(kafka, [state(name)])
    found = Describer(kafka).settings(name)
    assert found["cleanup.policy"] == "compact"
    assert (found["segment.bytes"], found["segment.ms"]) == ("67108864", "600000")
    assert found["min.cleanable.dirty.ratio"] == "0.1"
    assert warnings(kafka, state(name)) == []


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_state_that_kafka_would_delete_is_refused(
    kafka: KafkaSettings, name: str, policy: str
) -> None:
    exists(kafka, name, cleanup_policy=policy)
    with pytest.raises(TopicError, match=f"{name}: cleanup.policy is '{policy}'") as error:
        ensure_topics(kafka, [state(name)])
    assert error.value.remedy == "set cleanup.policy=compact"


def test_what_is_kept_shorter_than_agreed_is_warned_of(kafka: KafkaSettings, name: str) -> None:
    exists(kafka, name, retention_ms=HOUR_MS)
    found = warnings(kafka, replace(SENSORS, name=name))
    assert found == [{name: f"retention.ms is {HOUR_MS}, not {SENSORS.retention_ms}"}]


def test_what_is_kept_for_ever_is_fine(kafka: KafkaSettings, name: str) -> None:
    exists(kafka, name, retention_ms="-1")
    assert warnings(kafka, replace(SENSORS, name=name)) == []


def test_events_of_which_only_the_newest_are_kept_are_warned_of(
    kafka: KafkaSettings, name: str
) -> None:
    exists(kafka, name, cleanup_policy="compact")
    found = warnings(kafka, replace(SENSORS, name=name))
    assert found == [{name: "cleanup.policy is compact, not delete"}]
