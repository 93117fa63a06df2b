"""The plant's configuration as Python sees it. `penstock.settings.loader` reads it from YAML."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from penstock.settings.model import Model
from penstock.settings.problems import suggestion
from penstock.settings.production import Calendar, Kpis, States, TimeOfDay
from penstock.settings.tags import Tag
from penstock.units import Duration, PositiveDuration, format_duration, parse_duration

_MOST_HOPS: Final = 10_000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Of a source or sink; it becomes part of the names of files, topics and consumer groups."""


def _site_path(text: str) -> str:
    if len(_segments(text)) != 2:  # noqa: PLR2004 - enterprise and site
        msg = f"{text!r} is no site: write it as 'enterprise/site'"
        raise ValueError(msg)
    return text


def _asset_path(text: str) -> str:
    _segments(text)
    return text


def _segments(text: str) -> list[str]:
    segments = text.split("/")
    if any(not segment or segment != segment.strip() for segment in segments):
        msg = f"{text!r} is no ISA-95 path: write it as 'area/line/machine'"
        raise ValueError(msg)
    return segments


def _time_zone(text: str) -> str:
    known = available_timezones()
    if text not in known:
        near = suggestion(text, known) if "/" in text else "write it as 'Europe/Berlin'"
        msg = f"{text!r} is no time zone: {near}"
        raise ValueError(msg)
    return text


AssetPath = Annotated[str, AfterValidator(_asset_path)]
"""An ISA-95 path below the site, any depth."""


class Site(Model):
    """The ISA-95 enterprise and site that this configuration is of."""

    path: Annotated[str, AfterValidator(_site_path)] = Field(
        description="enterprise/site; goes before every asset's path."
    )
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="IANA name, as Europe/Berlin."
    )
    day_starts: TimeOfDay = Field("00:00", description="When the production day begins.")


class Asset(Model):
    """A work unit."""

    calendar: str | None = Field(None, description="One of 'calendars'.")
    states: str | None = Field(None, description="One of 'states'.")


class Line(Model):
    """A line of assets."""

    flow: Literal["serial", "parallel"] = "serial"
    constraint: str | None = Field(
        None, description="The asset that sets the pace, relative to the line."
    )
    output: str | None = Field(
        None, description="The asset whose good pieces are the line's, relative to it."
    )


class WindowSize(Model):
    """Windows of one size."""

    reopen_for: Duration = Field(description="How long after its end a window may be revised.")
    every: PositiveDuration | None = Field(
        None,
        description="From one window's start to the next, where windows overlap; divides the size.",
    )
    out_of_order: Duration | None = Field(
        None, description="Of this size, where it is not that of all."
    )


class Windows(Model):
    """Event-time windows."""

    out_of_order: Duration = Field(
        parse_duration("1 s"),
        description="How far samples may overtake each other; delays results.",
    )
    hold: Duration = Field(
        parse_duration("1 min"),
        description="How long a value holds after its source's last sample.",
    )
    clock_ahead: Duration = Field(
        parse_duration("5 min"), description="A source time further ahead of ingest is set aside."
    )
    deadline: PositiveDuration = Field(
        parse_duration("2 min"),
        description="How long by the wall clock a line's window waits for missing members.",
    )
    sizes: dict[PositiveDuration, WindowSize] = Field(min_length=1)

    @field_validator("sizes", mode="before")
    @classmethod
    def _each_once(cls, sizes: Any) -> Any:
        seen: dict[timedelta, str] = {}
        for text in sizes if isinstance(sizes, dict) else ():
            try:
                size = parse_duration(text)
            except ValueError:
                continue  # the key's own validation names it
            if seen.setdefault(size, text) != text:
                msg = f"size {text!r} is the same as {seen[size]!r}: remove one"
                raise ValueError(msg)
        return sizes

    @field_validator("sizes")
    @classmethod
    def _hops_fit(cls, sizes: dict[timedelta, WindowSize]) -> dict[timedelta, WindowSize]:
        for size, window in sizes.items():
            if window.every is None:
                continue
            most, written = size // window.every, format_duration(window.every)
            if size % window.every or most > _MOST_HOPS:
                msg = (
                    f"windows of {format_duration(size)!r} cannot begin every {written!r}: "
                    f"the size must be a multiple of it, at most {_MOST_HOPS} times as long"
                )
                raise ValueError(msg)
        return sizes


SHARED_OPTIONS: Final = (
    "socket.timeout.ms",
    "fetch.wait.max.ms",
    "fetch.min.bytes",
    "fetch.max.bytes",
)
"""Those of `kafka.options` that clients other than librdkafka's take, too."""


class KafkaSettings(Model):
    """Where Kafka is. Whatever else librdkafka understands goes into `options`."""

    bootstrap: str = Field("127.0.0.1:9092", description="host:port, several with commas.")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: str | None = Field(None, description="SASL mechanism, as SCRAM-SHA-512.")
    user: str | None = None
    password: SecretStr | None = None
    ca: Path | None = Field(None, description="PEM file of the authority that signed the brokers.")
    certificate: Path | None = None
    key: Path | None = None
    options: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="librdkafka's own settings; workers' consumers, which are aiokafka's, take"
        " socket.timeout.ms (10000), fetch.wait.max.ms (50), fetch.min.bytes (16384) and"
        " fetch.max.bytes (8388608) of them.",
    )
    partitions: int = Field(6, ge=1, description="Of the topics that Penstock creates.")
    replication: int = Field(1, ge=1, description="Of the topics that Penstock creates.")

    @field_validator("options")
    @classmethod
    def _numbers(cls, options: dict[str, str]) -> dict[str, str]:
        """Those that are not librdkafka's alone, which would say it itself."""
        for name in SHARED_OPTIONS:
            if not options.get(name, "0").isdecimal():
                msg = f"{name}: {options[name]!r} is no whole number"
                raise ValueError(msg)
        return options

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, bootstrap: str) -> str:
        found = "".join(bootstrap.split())
        for one in found.split(","):
            if not re.fullmatch(r".+:\d{1,5}", one):
                msg = f"{one!r} has no port: write host:port, as {one or 'localhost'}:9092"
                raise ValueError(msg)
        return found

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        """Left to themselves, librdkafka and Faust fill the gaps differently."""
        named = {"mechanism": self.mechanism, "user": self.user, "password": self.password}
        given = [name for name, value in named.items() if value]
        if self.security.startswith("SASL"):
            if missing := [name for name in named if name not in given]:
                msg = (
                    f"security {self.security} lacks {', '.join(missing)}: "
                    "set mechanism, user and password"
                )
                raise ValueError(msg)
        elif given:
            msg = (
                f"{', '.join(given)} would not be used with security {self.security}: "
                "set security to SASL_SSL, or remove what is not used"
            )
            raise ValueError(msg)
        return self


class RegistrySettings(Model):
    """Where the schema registry is (Confluent's API)."""

    url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    user: str | None = None
    password: SecretStr | None = None
    ca: Path | None = None

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            msg = f"{url!r} is no address: it begins with http:// or https://"
            raise ValueError(msg)
        return url


class Plant(Model):
    """The whole configuration, with components' own sections as their own models.

    `sources`, `processors` and `sinks` hold each component's `Settings`; `tags` the source's rows;
    `run_times` the seconds per unit (PRU) by product and asset, as `products` says.
    """

    version: Literal[1] = Field(1, description="Of this format.")
    environment: str = Field(
        "plant",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Prefixes consumer groups and transactional ids.",
    )
    site: Site
    access: Literal["read_only"] = Field("read_only", description="No device is written to.")
    products: Path | None = Field(
        None, description="CSV file with the seconds per unit of each product and asset."
    )
    assets: dict[AssetPath, Asset] = Field(
        default_factory=dict, description="By ISA-95 path below the site, any depth."
    )
    lines: dict[AssetPath, Line] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, tuple[Tag, ...]] = Field(default_factory=dict, exclude=True)
    run_times: dict[tuple[str, str], float] = Field(default_factory=dict, exclude=True)
    states: dict[str, States] = Field(default_factory=dict)
    calendars: dict[str, Calendar] = Field(default_factory=dict)
    kpis: Kpis = Kpis()
    windows: Windows
    processors: dict[str, Any] = Field(
        default_factory=dict, description="Settings of stream processors, and whether they run."
    )
    sinks: dict[str, Any] = Field(default_factory=dict)
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()

    def asset_path(self, asset: str) -> str:
        """The full ISA-95 path of an asset that a tag list names below the site."""
        return f"{self.site.path}/{asset}"
