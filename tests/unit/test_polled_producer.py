"""The thread that hands out a producer's receipts."""

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.kafka import producers
from penstock.kafka.client import is_fatal
from penstock.kafka.producers import PolledProducer
from penstock.settings.plant import KafkaSettings


class Broken:
    """Raises its fatal error once, as confluent-kafka does; receipts come once it is purged."""

    def __init__(self, _: Any) -> None:
        self.polls = 0
        self.purged = False
        self.handed_out = threading.Event()

    def poll(self, _: float) -> int:
        self.polls += 1
        if self.polls == 1:
            raise KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True))
        if self.purged:
            self.handed_out.set()
        return 0

    def purge(self) -> None:
        self.purged = True

    def flush(self, _: float) -> int:
        return 0


def test_receipts_are_handed_out_after_an_error_that_ends_the_producer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producers, "Producer", Broken)
    polled = PolledProducer(KafkaSettings(), "test")
    assert polled.producer.handed_out.wait(10)
    assert polled.broken
    assert polled.close(0) == 0


def test_what_is_refused_after_a_fatal_error_is_fatal_too() -> None:
    assert is_fatal(KafkaException(KafkaError(KafkaError._FATAL, "Unable to produce message")))
    assert not is_fatal(KafkaException(KafkaError(KafkaError._TRANSPORT)))
