import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.opcua.certificates import Identity
from penstock.certificates import make_certificate

URI = "urn:localhost:penstock"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(
        folder / "own" / "client.der",
        folder / "key" / "client.pem",
        URI,
        common_name="Penstock",
        hosts=("localhost", "127.0.0.1", "::1"),
        days=30,
    )
    make_certificate(folder / "x" / "x.der", folder / "key" / "x.pem", URI, common_name="Stranger")
    return folder


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate((folder / "own" / "client.der").read_bytes())


def test_names_application_and_hosts(folder: Path) -> None:
    names = certificate(folder).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = names.value.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "::1"]


def test_key_belongs_to_it_and_is_the_owners_only(folder: Path) -> None:
    path = folder / "key" / "client.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert key.public_key() == certificate(folder).public_key()


def test_key_keeps_its_mode_when_made_again(tmp_path: Path) -> None:
    key = tmp_path / "client.pem"
    key.write_text("old")
    key.chmod(0o644)
    make_certificate(tmp_path / "client.der", key, URI, common_name="Penstock")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "PRIVATE KEY" in key.read_text()


def test_is_valid_for_the_days_asked(folder: Path) -> None:
    made = certificate(folder)
    now = datetime.now(UTC)
    assert made.not_valid_before_utc < now
    assert 29 <= (made.not_valid_after_utc - now).days <= 30


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("peer", ["PEER_CLIENT", "PEER_SERVER"])
def test_is_let_in_by_a_strict_opc_ua_peer_that_trusts_it(
    folder: Path, peer: str, trusted: bool
) -> None:
    async def judge() -> None:
        store = TrustStore([folder / ("own" if trusted else "x")], [])
        await store.load()
        options = CertificateValidatorOptions
        validator = CertificateValidator(options.TRUSTED_VALIDATION | options[peer], store)
        kind = ua.ApplicationType.ClientAndServer
        description = ua.ApplicationDescription(ApplicationUri=URI, ApplicationType=kind)
        await validator.validate(certificate(folder), description)

    if trusted:
        asyncio.run(judge())
    else:
        with pytest.raises(ServiceError):
            asyncio.run(judge())


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Identity(b"certificate", b"secret", URI))
