"""One message as it came from the broker, and one that goes to it."""

from typing import NamedTuple


class Message(NamedTuple):
    """A received message."""

    topic: str
    payload: bytes
    received: int
    """When it came in, microseconds, our clock."""
    retained: bool = False
    """The broker had kept it from before we subscribed: how old it is nobody knows."""
    repeated: bool = False
    """The broker is not sure whether it sent it before (the DUP flag)."""
    number: int | None = None
    """Packet identifier under which it is to be acknowledged; None with QoS 0."""


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
