"""A certificate authority for a test: signs certificates for as long as asked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Signed(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: str
    key: str


class Authority:
    """An authority, whose key is in a folder: made where it is not there yet."""

    def __init__(self, name: str, folder: Path) -> None:
        place = folder / f"{name}-authority.pem"
        if not place.exists():
            place.write_text(_private(ec.generate_private_key(ec.SECP256R1())))
        key = serialization.load_pem_private_key(place.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = _pem(
            self._build(self._name, self._key.public_key(), timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        """PEM."""

    def sign(
        self, name: str, hosts: Sequence[str] = (), valid: timedelta = timedelta(days=1)
    ) -> Signed:
        """A certificate for this name and these hosts; `valid` counts from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        building = self._build(subject, key.public_key(), valid)
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            building = building.add_extension(names, critical=False)
        return Signed(
            _pem(building.sign(self._key, hashes.SHA256())),
            _private(key),
        )

    def _build(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + valid)
        )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
