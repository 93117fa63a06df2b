import ssl
from pathlib import Path

from faust.types.auth import AuthProtocol
from pydantic import SecretStr

from penstock.settings.plant import KafkaSettings
from streams.host.credentials import credentials


def test_plaintext_needs_none() -> None:
    assert credentials(KafkaSettings()) is None


def test_sasl_over_tls_checks_the_broker() -> None:
    settings = KafkaSettings(
        security="SASL_SSL", mechanism="SCRAM-SHA-512", user="u", password=SecretStr("p")
    )
    found = credentials(settings)
    assert found.protocol is AuthProtocol.SASL_SSL
    assert (found.username, found.password, found.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    assert found.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert found.ssl_context.check_hostname
    assert "p" not in repr(found).split("=")


def test_tls_without_name_check_only_when_asked_for(tmp_path: Path) -> None:
    asked = {"ssl.endpoint.identification.algorithm": "none"}
    assert credentials(KafkaSettings(security="SSL")).context.check_hostname
    assert not credentials(KafkaSettings(security="SSL", options=asked)).context.check_hostname
