"""The plant's configuration as Python sees it. `penstock.settings.loader` reads it from YAML."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from penstock.settings.tags import Tag
from penstock.units import Duration, parse_duration


class Model(BaseModel):
    """Base of all sections: an unknown key is an error, nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(Model):
    """The ISA-95 enterprise and site that this configuration is of."""

    path: str = Field(description="enterprise/site; goes before every asset's path.")
    timezone: str = "UTC"
    day_starts: str = "00:00"


class Asset(Model):
    """A work unit."""

    calendar: str | None = None
    states: str | None = None


class Line(Model):
    """A line of assets."""

    flow: str = "serial"
    constraint: str | None = None
    output: str | None = Field(None, description="The asset whose good pieces are the line's.")


class WindowSize(Model):
    """How long a window of this size may be revised."""

    reopen_for: Duration


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
    sizes: dict[Duration, WindowSize] = Field(min_length=1)


class KafkaSettings(Model):
    """Where Kafka is. Whatever else librdkafka understands goes into `options`."""

    bootstrap: str = Field("127.0.0.1:9092", description="host:port, several with commas.")
    security: str = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    mechanism: str | None = Field(None, description="SASL mechanism, as SCRAM-SHA-512.")
    user: str | None = None
    password: SecretStr | None = None
    ca: Path | None = Field(None, description="PEM file of the authority that signed the brokers.")
    certificate: Path | None = None
    key: Path | None = None
    options: dict[str, str] = Field(default_factory=dict, description="librdkafka's own settings.")
    partitions: int = Field(6, ge=1, description="Of the topics that Penstock creates.")
    replication: int = Field(1, ge=1, description="Of the topics that Penstock creates.")


class RegistrySettings(Model):
    """Where the schema registry is (Confluent's API)."""

    url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    user: str | None = None
    password: SecretStr | None = None
    ca: Path | None = None


class Plant(Model):
    """The whole configuration, with components' own sections as their own models.

    `sources` and `sinks` hold each connector's and sink's `Settings`; `tags` the source's rows.
    """

    version: int = 1
    environment: str = Field("plant", description="Prefixes consumer groups and transactional ids.")
    site: Site
    access: str = "read_only"
    assets: dict[str, Asset] = Field(default_factory=dict)
    lines: dict[str, Line] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, tuple[Tag, ...]] = Field(default_factory=dict, exclude=True)
    windows: Windows
    sinks: dict[str, Any] = Field(default_factory=dict)
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()

    def asset_path(self, asset: str) -> str:
        """The full ISA-95 path of an asset that a tag list names below the site."""
        return f"{self.site.path}/{asset}"
