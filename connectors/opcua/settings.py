"""The section of the configuration of an OPC UA source."""

from typing import Literal
from urllib.parse import urlparse

from pydantic import Field, field_validator

from connectors.opcua.security import SecuritySettings
from penstock.connector import SourceSettings
from penstock.settings.model import Model
from penstock.units import Duration, PositiveDuration, parse_duration


class SubscriptionSettings(Model):
    """What is asked of the server."""

    publish: PositiveDuration = Field(
        parse_duration("500 ms"), description="How often the server may send what has changed."
    )
    sampling: Duration = Field(
        parse_duration("100 ms"),
        description="How often it looks at a value, 0 s: as fast as it can; `poll` of a tag wins.",
    )
    queue: int = Field(
        20, ge=1, description="Values of one tag that it keeps between two publishes."
    )
    trigger: Literal["StatusValue", "StatusValueTimestamp"] = Field(
        "StatusValue", description="Whether the same value with a new source time is sent, too."
    )
    keep_alive: PositiveDuration = Field(
        parse_duration("2 s"), description="How often it says that it lives when nothing changes."
    )


class OpcuaSettings(SourceSettings):
    """Where the server is, how the link is protected, and what is asked for."""

    url: str = Field(
        description="Where the server is, as opc.tcp://host:4840/path.",
        examples=["opc.tcp://192.168.0.10:4840"],
    )
    security: SecuritySettings = Field(
        description="How the link is protected; `penstock certs create` makes ours.",
        examples=[
            {
                "policy": "Basic256Sha256",
                "mode": "SignAndEncrypt",
                "certificate": "certs/client.der",
                "key": "certs/client.pem",
                "trust": "certs/trusted",
            }
        ],
    )
    subscription: SubscriptionSettings = Field(
        SubscriptionSettings(), description="How values are asked for."
    )
    backfill: Duration = Field(
        parse_duration("1 h"),
        description="How far back a gap is filled from the server's history, where it keeps one; "
        "0 s: not at all.",
    )
    application_uri: str | None = Field(
        None,
        description="Ours; where left away, the one in our certificate.",
        examples=["urn:host:penstock"],
    )
    timeout: PositiveDuration = Field(
        parse_duration("4 s"), description="How long the server may take to answer a request."
    )

    @field_validator("url")
    @classmethod
    def _judge_url(cls, url: str) -> str:
        parts = urlparse(url)
        if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
            msg = "an OPC UA server's address is opc.tcp://host:port or opc.tcp://host:port/path"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "user and password belong into security, where they are kept secret"
            raise ValueError(msg)
        return url
