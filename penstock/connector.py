"""The contract of a connector: what reads one source and hands on its samples.

A source is a PLC, a server, a file. A connector knows its protocol and nothing of Kafka.
`penstock.runtime.connectors` runs it: it starts it, reads until the link is lost, builds events,
waits for Kafka's acknowledgement, and starts it again, for ever, with back-off and jitter.
`connectors/example.py` is one to copy.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from penstock.clock import Clock, now
from penstock.errors import PenstockError
from penstock.quality import GOOD
from penstock.settings.model import Model
from penstock.settings.tags import Tag
from penstock.units import PositiveDuration, parse_duration


class Sample(NamedTuple):
    """One value of one tag, with all that is known of it.

    Times are microseconds since 1970-01-01 UTC. A text stays a `str`, a boolean a `bool`; whatever
    cannot be read is NaN with a bad quality, never left out.
    """

    asset: str
    tag: str
    value: float | bool | str
    source_time: int
    """When the device says that the value was so; where it does not say, when it was read."""
    server_time: int | None = None
    """When the server in between says that it got the value."""
    quality: int = GOOD


def _nothing() -> None:
    """Acknowledgement of a source that wants none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one `read` gives: samples, and what to call once Kafka has them all."""

    samples: Sequence[Sample]
    acknowledge: Callable[[], None] = _nothing
    historical: bool = False
    """These are older than what was read before, and say nothing of how the source is now."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source says of itself when asked whether it can be reached."""

    identity: str
    latency_ms: float
    details: dict[str, str] = field(default_factory=dict)
    problems: Sequence[PenstockError] = ()
    """What stands in the way of reading it, or makes its values wrong, although it answers."""


class SourceSettings(Model):
    """What every source's section has; a connector's `Settings` adds its own."""

    type: str = Field(description="Name of the connector.")
    tags: Path = Field(
        description="CSV file with this source's tags, relative to this file.",
        examples=["tags/tags.csv"],
    )
    stale_after: PositiveDuration = Field(
        parse_duration("1 min"),
        description="A tag that had no sample for longer is flagged once, with its last value.",
    )


@dataclass(slots=True)
class Meter:
    """What a connector counts of itself, exported as metrics by the runner."""

    requests: int = 0
    """Requests or subscriptions sent to the device."""
    writes: int = 0
    """Requests that could change something in the device: 0, unless commands are authorised."""
    rebirths: int = 0
    """Requests to publish everything anew (Sparkplug's rebirth), which change no value."""
    bytes_received: int = 0
    bytes_sent: int = 0
    errors: int = 0
    """What failed: requests (time-outs, exceptions, nonsense), and connections that were refused
    or lost, which nobody counts for the connector."""
    last_error: str = ""
    """What the latest of them was; set whenever one is counted."""
    vouched: int = 0
    """When the device last vouched for values that it did not send again, as by a subscription's
    keep-alive; microseconds, our clock; 0: its protocol has no such word."""
    missed: int = 0
    """Polls that came due while earlier ones were under way: skipped, never made up for."""


class Connector(ABC):
    """Reads one source. Its life: `start`, `read`…, `stop`, and again; on one event loop.

    The constructor judges settings and tags and connects to nothing. `start` connects, with new
    protocol objects each time. `read` waits for samples and raises when the link is lost. `stop`
    never raises and may be called at any time, also twice.

    Args:
        name: The source's name in the configuration.
        settings: An instance of `Settings`.
        tags: The source's tags; addresses are judged here.
        clock: Gives ingest time and, for protocols without one, source time.

    Raises:
        ConfigurationError: A tag's address, type or order cannot be used; the CSV line is named.
    """

    Settings: ClassVar[type[SourceSettings]] = SourceSettings
    """Its section of the configuration. `penstock connectors sample` writes one from it: what is
    required, with the first of its `examples`, and the rest as comments with their defaults."""
    EXAMPLE_TAGS: ClassVar[Sequence[Mapping[str, str]]] = ()
    """Rows of a tag list for that sample, by column: all kinds of addresses that are common."""

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        self.name = name
        self.settings = settings
        self.tags = tuple(tags)
        self.clock = clock
        self.meter = Meter()

    @abstractmethod
    async def probe(self) -> Probe:
        """Ask the source who it is, changing nothing.

        Raises:
            DeviceError: It cannot be reached or refuses us; the remedy is named.
        """

    @abstractmethod
    async def start(self) -> None:
        """Connect.

        Raises:
            DeviceError: It cannot be reached or refuses us.
        """

    @abstractmethod
    async def read(self) -> Batch:
        """Wait for the next samples; a bad one is among them, flagged.

        Raises:
            DeviceError: The link is lost.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Let go of the source."""
