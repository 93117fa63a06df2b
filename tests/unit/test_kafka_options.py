"""What librdkafka does not take is an error of the configuration, whichever client is made."""

import asyncio

import pytest

from penstock.errors import ConfigurationError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import EventProducer, SyncProducer, options
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


def test_a_connection_is_tried_anew_after_10_s_unless_the_user_says_otherwise() -> None:
    name = "socket.connection.setup.timeout.ms"
    assert options(KafkaSettings())[name] == 10_000
    assert options(KafkaSettings(options={name: "20000"}))[name] == "20000"
