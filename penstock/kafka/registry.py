"""The schema registry, by Confluent's API (Confluent, Karapace, Apicurio's `/apis/ccompat/v7`)."""

import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from penstock.errors import (
    ConfigurationError,
    IncompatibleSchemaError,
    PenstockError,
    RegistryUnavailableError,
    UnknownSchemaError,
)
from penstock.settings.plant import RegistrySettings
from schemas import schema_text

T = TypeVar("T")

COMPATIBILITY: Final = "FULL_TRANSITIVE"
"""Every reader reads what every writer wrote, older and newer."""
TIMEOUT: Final = 5.0
"""Seconds for connecting, and for each wait for an answer."""
UNKNOWN_SECONDS: Final = 1.0
"""How long an id that nobody knows is not asked for again: thousands of records may have it."""
_RETRIES: Final = 1
_RETRY_WAIT_MS: Final = 200
_REFUSED: Final = (401, 403)
_CONFLICT: Final = 409
_TRIES: Final = 3
"""Apicurio answers a conflict, too, to all but one who register the same for the first time."""
_SCHEMA_NOT_FOUND: Final = 40403
"""Confluent's code, in the answer's body; a plain 404 is of an address with no registry."""
_ANSWERS: Final = range(400, 500)
_TRY_LATER: Final = (404, 408, 429)


def subject(topic: str) -> str:
    """The subject of a topic's values (TopicNameStrategy).

    >>> subject("ot.sensors.v1")
    'ot.sensors.v1-value'
    """
    return f"{topic}-value"


class Registered(NamedTuple):
    """A version of a subject."""

    id: int
    version: int
    text: str


class Registry:
    """Registers Penstock's schemas and finds others'; asks for each only once.

    May be used from several threads.

    Args:
        settings: Where the registry is, and who we are.
        timeout: Seconds for connecting, and for each wait for an answer.

    Raises:
        ConfigurationError: The URL, the user or the authority's file cannot be used.
    """

    def __init__(self, settings: RegistrySettings, timeout: float = TIMEOUT) -> None:
        self._where = _without_user(settings.url)
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, str] = {}
        self._unknown_until: dict[int, float] = {}
        try:
            self._client = SchemaRegistryClient(_options(settings, timeout))
        except (ValueError, OSError) as error:
            msg = f"the registry's settings cannot be used: {error}"
            raise ConfigurationError(
                msg, where=self._where, remedy="correct registry.url, user, password or ca"
            ) from error
        self.close = weakref.finalize(self, self._client.close)
        """Lets go of the connections, at the latest when the last reference is gone."""

    def register(self, topic: str, record: str) -> int:
        """The id of one of our schemas for a topic's values; registered where it is not yet.

        The subject's compatibility is set to `COMPATIBILITY` first.

        Raises:
            IncompatibleSchemaError: Readers of the subject's schemas would break.
            RegistryUnavailableError: The registry does not answer.
            ConfigurationError: The registry refuses us or the schema.
        """
        known = self._ids.get((topic, record))
        if known is None:
            schema = Schema(schema_text(record), "AVRO")
            name = subject(topic)
            self._insist(name, lambda: self._client.set_compatibility(name, COMPATIBILITY))
            known = self._insist(name, lambda: self._client.register_schema(name, schema))
            self._ids[topic, record] = known
            self._schemas[known] = schema_text(record)
        return known

    def registered(self, topic: str) -> Registered | None:
        """The newest schema of a topic's values; None where none is registered.

        Raises:
            RegistryUnavailableError: The registry does not answer.
            ConfigurationError: The registry refuses us.
        """
        name = subject(topic)
        if name not in self._ask("subjects", self._client.get_subjects):
            return None
        found = self._ask(name, lambda: self._client.get_latest_version(name))
        assert found.schema is not None
        return Registered(int(found.schema_id or 0), int(found.version or 0),
                          str(found.schema.schema_str))  # fmt: skip

    def takes(self, topic: str, record: str) -> bool:
        """Whether one of our schemas could be registered for a topic's values.

        Raises:
            RegistryUnavailableError: The registry does not answer.
            ConfigurationError: The registry refuses us or the schema.
        """
        name, schema = subject(topic), Schema(schema_text(record), "AVRO")
        return self._ask(name, lambda: self._client.test_compatibility(name, schema))

    def schema(self, schema_id: int) -> str:
        """The text of the schema of an id.

        Raises:
            UnknownSchemaError: There is none.
            RegistryUnavailableError: The registry does not answer.
            ConfigurationError: The registry refuses us.
        """
        known, what = self._schemas.get(schema_id), f"id {schema_id}"
        if known is None:
            if time.monotonic() < self._unknown_until.get(schema_id, 0.0):
                raise self._unknown(what)
            try:
                found = self._ask(what, lambda: self._client.get_schema(schema_id))
            except UnknownSchemaError:
                self._unknown_until[schema_id] = time.monotonic() + UNKNOWN_SECONDS
                raise
            known = self._schemas[schema_id] = str(found.schema_str)
        return known

    def _insist(self, what: str, question: Callable[[], T]) -> T:
        """Ask again after a conflict: what really breaks readers is refused each time."""
        for _ in range(_TRIES - 1):
            with suppress(IncompatibleSchemaError):
                return self._ask(what, question)
        return self._ask(what, question)

    def _ask(self, what: str, question: Callable[[], T]) -> T:
        try:
            return question()
        except SchemaRegistryError as error:
            raise self._translate(error, what) from error
        except Exception as error:  # of whichever HTTP library the client found
            msg = f"the schema registry does not answer: {str(error) or type(error).__name__}"
            raise RegistryUnavailableError(
                msg, where=self._where, remedy="start it, or correct registry.url"
            ) from error

    def _translate(self, error: SchemaRegistryError, what: str) -> PenstockError:
        status, text = error.http_status_code, error.error_message
        if error.error_code == _SCHEMA_NOT_FOUND:
            return self._unknown(what)
        if status == _CONFLICT:
            return IncompatibleSchemaError(
                f"the schema breaks readers of subject {what} ({COMPATIBILITY}): {text}",
                where=self._where,
                remedy="add or remove only fields with a default, or write to a new major version"
                " of the topic",
            )
        if status in _REFUSED:
            return ConfigurationError(
                f"the registry refuses access to {what}: {text}",
                where=self._where,
                remedy="correct registry.user and registry.password, or their rights",
            )
        if status in _ANSWERS and status not in _TRY_LATER:
            return ConfigurationError(
                f"the registry refuses {what}: {text}",
                where=self._where,
                remedy="see the registry's message",
            )
        return RegistryUnavailableError(
            f"the schema registry answers {status}: {text}",
            where=self._where,
            remedy="wait for it to recover, or correct registry.url",
        )

    def _unknown(self, what: str) -> UnknownSchemaError:
        return UnknownSchemaError(
            f"the registry knows no schema of {what}",
            where=self._where,
            remedy="ask who published the record to register its schema in this registry",
        )


def _options(settings: RegistrySettings, timeout: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "url": settings.url,
        "timeout": timeout,
        "max.retries": _RETRIES,
        "retries.wait.ms": _RETRY_WAIT_MS,
    }
    if settings.user is not None:
        password = settings.password.get_secret_value() if settings.password else ""
        options["basic.auth.user.info"] = f"{settings.user}:{password}"
    if settings.ca is not None:
        options["ssl.ca.location"] = str(settings.ca)
    return options


def _without_user(url: str) -> str:
    """A URL fit for messages."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
