"""What the OPC UA connector says of settings and tag lists that it cannot use."""

import pytest
from asyncua import ua
from pydantic import ValidationError

from connectors.opcua import OpcuaConnector, OpcuaSettings
from connectors.opcua.nodes import parse_address
from connectors.opcua.security import explain
from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag

SECURED = {"certificate": "c.der", "key": "c.pem", "trust": "trusted"}
NONE = {"policy": "None", "mode": "None"}


def settings(**changes: object) -> OpcuaSettings:
    url = "opc.tcp://plc:4840"
    fields = {"type": "opcua", "tags": "tags.csv", "url": url, "security": SECURED}
    return OpcuaSettings.model_validate(fields | changes)


def test_signed_and_encrypted_unless_said_otherwise() -> None:
    security = settings().security
    assert (security.policy, security.mode) == ("Basic256Sha256", "SignAndEncrypt")
    assert settings(security=NONE).security.mode == "None"


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ({}, "needs certificate, key, trust: set them, or write policy: None"),
        ({"certificate": "c.der", "key": "c.pem"}, "needs trust"),
        (SECURED | {"mode": "None"}, "policy: None and mode: None"),
        ({"policy": "None"}, "policy: None and mode: None"),
        (SECURED | {"policy": "Basic256"}, "Basic256 is deprecated"),
        (SECURED | {"policy": "Basic128Rsa15"}, "Basic128Rsa15 is deprecated"),
        (SECURED | {"password": "x"}, "a password but no user"),
        (SECURED | {"pasword": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_security_is_never_left_away_by_mistake(security: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(security=security)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://plc:4840", "opc.tcp://host:port"),
        ("opc.tcp://plc", "opc.tcp://host:port"),
        ("opc.tcp://plc:99999", "Port out of range"),
        ("opc.tcp://joe:secret@plc:4840", "belong into security"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(url=url)


@pytest.mark.parametrize("name", ["publish", "keep_alive"])
def test_a_subscription_takes_time(name: str) -> None:
    with pytest.raises(ValidationError, match="write a duration above zero"):
        settings(subscription={name: "0 s"})


def test_a_password_is_masked() -> None:
    shown = repr(settings(security=SECURED | {"user": "joe", "password": "secret"}))
    assert "joe" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    "address",
    ["", "Good", "s=", "ns=2", "ns=x;s=Good", "ns=70000;i=1", "i=-1", "i=one", "g=12", "b=*"],
)
def test_an_address_that_is_no_node_id_is_named_with_its_line(address: str) -> None:
    tag = Tag(asset="press07", tag="Good", address=address, where="press07.csv, line 3")
    with pytest.raises(ConfigurationError, match=r"press07\.csv, line 3: .*nsu=") as error:
        OpcuaConnector("press", settings(), [tag])
    assert repr(address) in str(error.value)


@pytest.mark.parametrize(
    ("address", "node"),
    [
        ("i=85", "i=85"),
        ("ns=3;i=7", "ns=3;i=7"),
        ("nsu=urn:acme;s=a;b=c", "ns=2;s=a;b=c"),
        ("nsu=urn:semi%3Bcolon;s=x", "ns=3;s=x"),
        (
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
        ),
    ],
)
def test_an_address_finds_its_node(address: str, node: str) -> None:
    found = parse_address(address).resolve(["", "urn:server", "urn:acme", "urn:semi;colon"])
    assert found is not None
    assert found.to_string() == node


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ua.UaStatusCodeError(ua.StatusCodes.BadTooManySessions), "raise the server's limit"),
        (ua.UaStatusCodeError(ua.StatusCodes.BadIdentityTokenRejected), "security.password"),
        (
            ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted),
            "copy c.der (never the key)",
        ),
        (ua.UaStatusCodeError(ua.StatusCodes.BadServerHalted), "BadServerHalted"),
        (TimeoutError(), "no answer in time"),
        (ConnectionRefusedError("refused"), "cannot be reached"),
        (ValueError("half a message"), "nonsense: ValueError: half a message"),
    ],
)
def test_a_refusal_is_explained(error: Exception, message: str) -> None:
    found = explain(error, settings().security, "opc.tcp://plc:4840")
    assert message in str(found)
    assert found.where == "opc.tcp://plc:4840"
    assert found.remedy


def test_an_unknown_namespace_finds_none() -> None:
    assert parse_address("nsu=urn:gone;s=x").resolve(["", "urn:server"]) is None
