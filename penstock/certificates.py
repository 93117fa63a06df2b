"""Self-signed certificates for OPC UA applications, as OPC 10000-6, 6.2.2 wants them.

The peer compares the certificate's URI with the application URI of the session, so both must be the
same. To be let in, copy the certificate (never the key) into the peer's folder of trusted ones.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from penstock.clock import now
from penstock.errors import ConfigurationError

_KEY_BITS: Final = 2048
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
"""A scheme and anything behind it (RFC 3986), in ASCII as a certificate can hold it."""
_CLOCK_SKEW: Final = timedelta(days=1)
"""Valid from a day ago: a PLC whose clock is behind must not refuse us."""


def make_certificate(
    certificate: Path,
    key: Path,
    application_uri: str,
    *,
    common_name: str,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    days: int = 3650,
) -> None:
    """Write a self-signed application instance certificate and its private key.

    Folders are made where missing; files of the same names are replaced.

    Args:
        certificate: Where the certificate goes, DER.
        key: Where the RSA key goes, PEM without a password, readable by its owner only.
        application_uri: The application's URI, as `urn:host:penstock`.
        common_name: The name that a person sees when asked to trust it.
        hosts: Names and IP addresses under which the application is reached.
        days: How long it is valid.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    made = _build(private.public_key(), application_uri, common_name, hosts, days)
    signed = made.sign(private, hashes.SHA256())
    _write_key(key, private)
    certificate.parent.mkdir(parents=True, exist_ok=True)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.DER))


def make_client_certificate(
    certificate: Path,
    key: Path,
    *,
    application_uri: str | None = None,
    hosts: Sequence[str] = (),
    days: int = 3650,
) -> None:
    """Write Penstock's own certificate and key, as `make_certificate` does.

    Args:
        certificate: Where the certificate goes, DER.
        key: Where the key goes, PEM.
        application_uri: Its URI; where left away, `urn:<this machine>:penstock`.
        hosts: Names and IP addresses beside those of this machine.
        days: How long it is valid.

    Raises:
        ConfigurationError: `application_uri` is no URI.
    """
    if application_uri is not None and not _URI.fullmatch(application_uri):
        msg = f"{application_uri!r} is no URI"
        remedy = "write one of ASCII without spaces, as urn:acme:bremen:penstock"
        raise ConfigurationError(msg, where="--uri", remedy=remedy)
    name = socket.gethostname()
    host = name if name and name.isascii() else "localhost"
    make_certificate(
        certificate,
        key,
        application_uri or f"urn:{host}:penstock",
        common_name=f"Penstock on {host}"[:64],  # X.520 allows 64 characters
        hosts=list(dict.fromkeys((host, "localhost", "127.0.0.1", *hosts))),
        days=days,
    )


def _build(
    public: rsa.RSAPublicKey,
    application_uri: str,
    common_name: str,
    hosts: Sequence[str],
    days: int,
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    today = datetime.fromtimestamp(now() // 1_000_000, UTC)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    alternatives = [x509.UniformResourceIdentifier(application_uri), *map(_host, hosts)]
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - _CLOCK_SKEW)
        .not_valid_after(today + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage() -> x509.KeyUsage:
    # keyCertSign because it signs itself: some servers refuse a self-signed certificate without it.
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,  # called nonRepudiation in OPC UA
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, private: rsa.RSAPrivateKey) -> None:
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # an existing file would keep its wider mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
