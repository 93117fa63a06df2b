"""What librdkafka does not take is an error of the configuration, whichever client is made."""

import asyncio

import pytest

from penstock.errors import ConfigurationError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import EventProducer, SyncProducer, answer_seconds, options
from penstock.kafka.describe import Describer
from penstock.settings.plant import KafkaSettings

WRONG = KafkaSettings(options={"foo.bar": "1"})


async def _event_producer() -> None:
    EventProducer(WRONG, "test")


@pytest.mark.parametrize(
    "make",
    [
        lambda: SyncProducer(WRONG, "test"),
        lambda: asyncio.run(_event_producer()),
        lambda: Describer(WRONG),
        lambda: ensure_topics(WRONG, []),
    ],
    ids=["sync producer", "event producer", "describer", "admin"],
)
def test_an_unknown_option_is_named(make) -> None:
    with pytest.raises(ConfigurationError, match=r"foo\.bar"):
        make()


@pytest.mark.parametrize("name", ["socket.connection.setup.timeout.ms", "socket.timeout.ms"])
def test_a_silent_kafka_is_given_up_after_10_s_unless_the_user_says_otherwise(name: str) -> None:
    assert options(KafkaSettings())[name] == 10_000
    assert options(KafkaSettings(options={name: "20000"}))[name] == "20000"


def test_a_workers_client_takes_the_same_time_for_an_answer() -> None:
    assert answer_seconds(KafkaSettings()) == 10.0
    assert answer_seconds(KafkaSettings(options={"socket.timeout.ms": "20000"})) == 20.0
    with pytest.raises(ConfigurationError, match="'soon' is no number"):
        answer_seconds(KafkaSettings(options={"socket.timeout.ms": "soon"}))
