"""What the connector wants of a kind of payload: JSON, Sparkplug B."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from connectors.mqtt.message import Message, Outgoing
from penstock.connector import Sample
from penstock.settings.tags import Tag


class Payloads(ABC):
    """Judges tags' addresses, names what to subscribe to, and turns messages into samples."""

    stateful: ClassVar[bool] = False
    """Whether values hold until told otherwise, so that a link that lives vouches for them, and
    every connection begins anew."""

    @property
    @abstractmethod
    def filters(self) -> list[str]:
        """What to subscribe to."""

    @abstractmethod
    def tags(self, topic_filter: str) -> list[Tag]:
        """The tags whose values come under one of `filters`."""

    @abstractmethod
    def samples(self, message: Message) -> list[Sample]:
        """The samples in a message that say how things are now."""

    def history(self) -> list[Sample]:
        """Of the messages so far the samples that say nothing of how things are now; each once."""
        return []

    def connecting(self, now: int) -> Outgoing | None:
        """A connection is about to be made; gives its will."""
        return None

    def connected(self, now: int) -> Sequence[Outgoing]:
        """The subscriptions are there; gives what to publish first."""
        return ()

    @property
    def due(self) -> int | None:
        """When `outgoing` will have something, microseconds; None: not before a message comes."""
        return None

    def outgoing(self, now: int) -> Sequence[Outgoing]:
        """What is to be published by now."""
        return ()

    def farewell(self, now: int) -> Outgoing | None:
        """What to publish before saying goodbye."""
        return None
