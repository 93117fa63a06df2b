"""What librdkafka does not take is an error of the configuration, whichever client is made."""

import asyncio
import socket

import pytest
from pydantic import ValidationError

from penstock.errors import ConfigurationError, KafkaUnavailableError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import answer_seconds, options
from penstock.kafka.describe import Describer
from penstock.kafka.producers import EventProducer, SyncProducer
from penstock.local.ports import free_port
from penstock.settings.plant import SHARED_OPTIONS, KafkaSettings
from penstock.state import fencing

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


def test_who_asks_a_kafka_that_is_not_there_hears_why() -> None:
    port = free_port()
    asked = Describer(KafkaSettings(bootstrap=f"127.0.0.1:{port}"))
    for ask in (lambda: asked.topic("ot.sensors.v1"), asked.names):
        with pytest.raises(KafkaUnavailableError, match="Connection refused") as caught:
            ask()
        assert caught.value.where == f"kafka.bootstrap 127.0.0.1:{port}"
        assert "penstock up" in str(caught.value.remedy)
    nowhere = Describer(KafkaSettings(bootstrap="kafka.invalid:9092"))
    with pytest.raises(KafkaUnavailableError, match="Failed to resolve") as caught:
        nowhere.topic("ot.sensors.v1")
    assert caught.value.remedy == "correct the host in kafka.bootstrap"


def test_something_else_than_kafka_is_told_from_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(KafkaUnavailableError, match="nobody answers there as Kafka does"):
            Describer(KafkaSettings(bootstrap=where), timeout=2).topic("ot.sensors.v1")


@pytest.mark.parametrize("name", ["socket.connection.setup.timeout.ms", "socket.timeout.ms"])
def test_a_silent_kafka_is_given_up_after_10_s_unless_the_user_says_otherwise(name: str) -> None:
    assert options(KafkaSettings())[name] == 10_000
    assert options(KafkaSettings(options={name: "20000"}))[name] == "20000"


def test_a_workers_client_takes_the_same_time_for_an_answer() -> None:
    assert answer_seconds(KafkaSettings()) == 10.0
    assert answer_seconds(KafkaSettings(options={"socket.timeout.ms": "20000"})) == 20.0


@pytest.mark.parametrize("name", SHARED_OPTIONS)
def test_an_option_that_several_kinds_of_clients_take_is_judged_with_the_configuration(
    name: str,
) -> None:
    with pytest.raises(ValidationError, match=rf"{name}: 'soon' is no whole number"):
        KafkaSettings(options={name: "soon"})


@pytest.mark.parametrize("transaction_ms", [10_000, 60_000])
def test_a_transactional_producer_is_made_however_long_the_user_would_wait(
    transaction_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fencing, "OPEN_SECONDS", 0.1)
    patient = KafkaSettings(bootstrap="127.0.0.1:9", options={"socket.timeout.ms": "90000"})
    with pytest.raises(KafkaUnavailableError):  # and no refusal of its options
        fencing.open_producer(patient, "test", "here", transaction_ms)
