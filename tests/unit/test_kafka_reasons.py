"""Why Kafka does not answer: noted by one client, asked for by several threads."""

from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.errors import KafkaUnavailableError
from penstock.kafka import reasons
from penstock.kafka.reasons import Reasons
from penstock.settings.plant import KafkaSettings

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)
REFUSED = KafkaError(KafkaError._TRANSPORT, "Connection refused")


class Admin:
    """A client of brokers that are there or not; an answer comes at the second look."""

    def __init__(self, answer: "Future[Any]", *, there: bool) -> None:
        self._answer, self._there, self.looks = answer, there, 0

    def poll(self, _timeout: float) -> int:
        self.looks += 1
        if self._there and self.looks > 1:
            self._answer.set_result("found")
        return 0

    def list_topics(self, timeout: float) -> None:
        if not self._there:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"after {timeout} s"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "PATIENCE_SECONDS", 0.0)


def asked(noted: Reasons, *, there: bool) -> Admin:
    """A question that was asked of brokers that are there or not."""
    answer: Future[Any] = Future()
    admin = Admin(answer, there=there)
    noted.wait(cast("AdminClient", admin), answer)
    return admin


def test_after_a_short_outage_an_answer_is_waited_for() -> None:
    noted = Reasons(KafkaSettings())
    noted(DOWN)
    assert asked(noted, there=True).looks > 1


def test_where_no_broker_comes_back_the_last_reason_is_told() -> None:
    noted = Reasons(KafkaSettings())
    noted(REFUSED)
    noted(DOWN)
    with pytest.raises(KafkaUnavailableError, match="Connection refused"):
        asked(noted, there=False)


def test_what_was_reported_before_a_question_is_told_to_who_asks_it() -> None:
    noted = Reasons(KafkaSettings())
    noted(REFUSED)  # to another thread
    failed: Future[Any] = Future()
    failed.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    noted.wait(cast("AdminClient", None), failed)
    assert "Connection refused" in str(noted.unavailable("timed out"))


def test_an_answer_ends_what_was_reported_before() -> None:
    noted = Reasons(KafkaSettings())
    noted(REFUSED)
    noted(DOWN)
    asked(noted, there=True)
    assert "nobody answers there as Kafka does: later" in str(noted.unavailable("later"))


def test_a_broker_whose_certificate_fails_is_told_with_all_that_may_be_wrong() -> None:
    """OpenSSL's words are the same for an unknown authority and for a certificate that expired."""
    noted = Reasons(KafkaSettings())
    noted(KafkaError(KafkaError._SSL, "SSL handshake failed: certificate verify failed"))
    told = str(noted.unavailable("timed out"))
    assert "Kafka refuses us: SSL handshake failed: certificate verify failed" in told
    for cause in ("kafka.security", "kafka.ca", "certificate is valid"):
        assert cause in told
