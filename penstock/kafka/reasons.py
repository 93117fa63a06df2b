"""Why a client does not reach Kafka: who asks hears of a time-out, librdkafka says why beside."""

import re
import threading
import time
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import ANSWER_SECONDS, STARTS, remedy_of
from penstock.settings.plant import KafkaSettings

PATIENCE_SECONDS: Final = 3.0
"""How long no broker at all can be reached until a question is given up."""
_LOOK_SECONDS: Final = 0.2
_LOCAL: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+")
_NOISE: Final = re.compile(r"^(\w+://)?\S+/(bootstrap|\d+): | \(after \d+ms in state \w+\)")
_WRONG_HOST: Final = "correct the host in kafka.bootstrap"
_REMEDIES: Final = {
    KafkaError._RESOLVE: _WRONG_HOST,
    KafkaError._AUTHENTICATION: (
        "look at kafka.security, kafka.user, kafka.password and kafka.mechanism"
    ),
    KafkaError._SSL: (
        "look at kafka.security, at the authority in kafka.ca, and at the date until which the "
        "broker's certificate is valid"
    ),
}


class Reasons:
    """Notes what librdkafka reports of one client, as its `error_cb`.

    Threads may share the client: what one of them is told, all are.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._last: KafkaError | None = None
        self._down: float | None = None
        """Since when no broker can be reached; that one is back, librdkafka does not report."""

    def __call__(self, error: KafkaError) -> None:
        """Note it."""
        with self._lock:
            if error.code() != KafkaError._ALL_BROKERS_DOWN:
                self._last = error
            elif self._down is None:
                self._down = time.monotonic()

    def wait(self, admin: AdminClient, future: "Future[Any]") -> None:
        """Until an answer is there, or no broker could be reached for a while.

        Raises:
            KafkaUnavailableError: The latter.
        """
        begun = time.monotonic()
        while not wait([future], _LOOK_SECONDS).done:
            admin.poll(0)
            if time.monotonic() - begun > 3 * ANSWER_SECONDS:
                msg = "the question is not answered"
                raise self.unavailable(msg)
            with self._lock:
                down = self._down
            if down is None or time.monotonic() - max(begun, down) <= PATIENCE_SECONDS:
                continue
            if not self._is_back(admin):
                msg = "no broker can be reached"
                raise self.unavailable(msg)
        if future.exception() is None:
            self._forget()

    def _is_back(self, admin: AdminClient) -> bool:
        """Whether a broker can be reached again."""
        try:
            admin.list_topics(timeout=_LOOK_SECONDS)
        except KafkaException:
            return False
        self._forget()
        return True

    def _forget(self) -> None:
        """A broker has answered: what was reported before is over."""
        with self._lock:
            self._last = self._down = None

    def unavailable(self, otherwise: str) -> KafkaUnavailableError:
        """The error for who asked.

        Args:
            otherwise: What is said where librdkafka gives no reason.
        """
        where = f"kafka.bootstrap {self._settings.bootstrap}"
        with self._lock:
            error = self._last
        if error is None:
            msg = f"nobody answers there as Kafka does: {otherwise}"
            return KafkaUnavailableError(msg, where=where, remedy=self._remedy())
        refused = error.code() in {KafkaError._AUTHENTICATION, KafkaError._SSL}
        told = _NOISE.sub("", error.str())
        msg = f"{'Kafka refuses us' if refused else 'Kafka cannot be reached'}: {told}"
        remedy = _REMEDIES.get(error.code()) or remedy_of(error)
        if remedy is None and "SSL" in told:
            remedy = _REMEDIES[KafkaError._SSL]
        return KafkaUnavailableError(msg, where=where, remedy=remedy or self._remedy())

    def _remedy(self) -> str:
        if _LOCAL.fullmatch(self._settings.bootstrap):
            return f"correct it, or start what should be there: {STARTS}"
        return "is Kafka up there, and host and port right?"
