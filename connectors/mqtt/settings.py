"""The section of the configuration of an MQTT source."""

from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlparse

from pydantic import Field, SecretStr, field_validator, model_validator

from penstock.connector import SourceSettings
from penstock.settings.model import Model
from penstock.units import Duration, PositiveDuration, parse_duration

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
TimeUnit = Literal["iso", "s", "ms", "us", "ns"]


class TlsSettings(Model):
    """How the link to the broker is protected; for `mqtts://` only."""

    ca: Path | None = Field(
        None, description="Authorities that may sign the broker's certificate; else the system's."
    )
    certificate: Path | None = Field(None, description="Our certificate, PEM, if it wants one.")
    key: Path | None = Field(None, description="Our certificate's private key, PEM.")

    @model_validator(mode="after")
    def _key_with_certificate(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together: name both or none"
            raise ValueError(msg)
        return self


class MappingSettings(Model):
    """Where a JSON payload keeps what; names in braces are filled from a tag's address."""

    topic: str | None = Field(
        None, description="Template of topics, as plant/{line}/{machine}; addresses fill it."
    )
    value: str = Field("", description="Path of the value; empty: the payload is the value.")
    time: str | None = Field(None, description="Path of the value's time, if there is one.")
    time_unit: TimeUnit = Field(
        "iso", description="ISO 8601, or what a number counts since 1970-01-01 UTC."
    )
    quality: str | None = Field(None, description="Path of the value's quality, if there is one.")
    good: tuple[bool | int | str, ...] = Field(
        (True, "good", 192), description="What means good there; letters' case does not matter."
    )
    retained: Literal["uncertain", "good", "skip"] = Field(
        "uncertain", description="How a value is taken that the broker had kept."
    )


class SparkplugSettings(Model):
    """What is published as a Sparkplug host application; nothing else ever is."""

    host_id: str | None = Field(
        None, min_length=1, description="Ours, unique among hosts; else penstock-SOURCE."
    )
    state: bool = Field(True, description="Whether to publish STATE: that we are online.")
    rebirth: bool = Field(
        True, description="Whether edge nodes are asked to be born again where that is needed."
    )
    rebirth_pause: PositiveDuration = Field(
        parse_duration("10 s"),
        description="Least time between two such requests to one; doubled while no birth comes.",
    )

    @field_validator("host_id")
    @classmethod
    def _judge_host_id(cls, host_id: str | None) -> str | None:
        return _level("host_id", host_id)


class MqttSettings(SourceSettings):
    """Where the broker is, how we introduce ourselves, and what payloads look like."""

    url: str = Field(
        description="Where the broker is: mqtt://host:1883 or mqtts://host:8883.",
        examples=["mqtt://192.168.0.20:1883"],
    )
    version: Literal["5", "3.1.1"] = Field("5", description="Version of MQTT.")
    client_id: str | None = Field(
        None, min_length=1, description="Ours, unique at the broker; else penstock-SOURCE."
    )
    user: str | None = Field(None, description="User name, if the broker wants one.")
    password: SecretStr | None = Field(None, description="The user's password.")
    tls: TlsSettings = Field(TlsSettings(), description="How an mqtts:// link is protected.")
    payload: Literal["json", "sparkplug-b"] = Field(
        description="What messages carry.", examples=["json"]
    )
    group: str | None = Field(None, description="Sparkplug group of the edge nodes.")
    sparkplug: SparkplugSettings = Field(
        SparkplugSettings(), description="What is published as a Sparkplug host application."
    )
    mapping: MappingSettings = Field(
        MappingSettings(), description="Where a JSON payload keeps what."
    )
    qos: Literal[0, 1] = Field(
        1, description="1: the broker keeps a message until Kafka has it; 0: it does not."
    )
    clean_start: bool = Field(
        False, description="Whether to forget what the broker kept for us while we were away."
    )
    session_expiry: Duration = Field(
        parse_duration("1 h"), description="How long the broker keeps our session when we are away."
    )
    keep_alive: PositiveDuration = Field(
        parse_duration("10 s"), description="How often to prove life when nothing else is sent."
    )
    timeout: PositiveDuration = Field(
        parse_duration("4 s"), description="How long the broker may take to answer."
    )

    @field_validator("version", mode="before")
    @classmethod
    def _version_as_text(cls, version: Any) -> Any:
        return str(version) if version == 5 else version  # noqa: PLR2004  # YAML reads a number

    @field_validator("url")
    @classmethod
    def _judge_url(cls, url: str) -> str:
        parts = urlparse(url)
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/"):
            msg = "a broker's address is mqtt://host:port, or mqtts://host:port with TLS"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "user and password have keys of their own, where the password is kept secret"
            raise ValueError(msg)
        _ = parts.port  # raises where it is none
        return url

    @field_validator("group")
    @classmethod
    def _judge_group(cls, group: str | None) -> str | None:
        return _level("group", group)

    @model_validator(mode="after")
    def _group_of_sparkplug(self) -> Self:
        if (self.payload == "sparkplug-b") != (self.group is not None):
            msg = "payload sparkplug-b needs the group of the edge nodes, and json has none"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _judge_keep_alive(self) -> Self:
        if not 1 <= self.keep_alive.total_seconds() <= 65_535:  # noqa: PLR2004  # two bytes
            msg = "keep_alive is between 1 s and 65535 s"
            raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlparse(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        parts = urlparse(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return urlparse(self.url).scheme == "mqtts"


def _level(key: str, text: str | None) -> str | None:
    """A single level of a topic."""
    if text is not None and (not text or set(text) & set("/+#")):
        msg = f"{key} is one level of a topic: without /, + and #"
        raise ValueError(msg)
    return text
