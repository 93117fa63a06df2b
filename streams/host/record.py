"""A Kafka record, whatever client it came from."""

from dataclasses import dataclass
from typing import Protocol

from penstock.kafka.client import Headers
from penstock.kafka.dead_letters import Origin


class Record(Protocol):
    """A record as the consumer gives it."""

    @property
    def offset(self) -> int:
        """In the processor's topic."""

    @property
    def key(self) -> bytes | None:
        """As it was written."""

    @property
    def value(self) -> bytes | None:
        """As it was written."""

    @property
    def headers(self) -> Headers:
        """As they were written."""


@dataclass(frozen=True, slots=True)
class Retried:
    """A dead letter that is to be taken again."""

    origin: Origin
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def offset(self) -> int:
        """Of the record that it was, in the processor's topic."""
        return self.origin.offset
