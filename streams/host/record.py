"""A Kafka record, whatever client it came from."""

from typing import Protocol

from streams.host.outputs import Headers


class Record(Protocol):
    """A record as the consumer gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
