"""OPC UA certificates: ours, and those of the servers we trust.

asyncua opens a channel to whoever answers. Here the certificate that a server offers is checked
against the trust folder before a channel is opened to it, and again when the session is made; a
user's password is sent only after both.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import ServiceError
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.uacrypto import CertProperties, x509_from_der
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.opcua.security import MODES, POLICIES, SecuritySettings
from penstock.errors import DeviceError

_MAKE_ONE: Final = (
    "make a certificate and its key, or correct security.certificate and security.key"
)
TRUSTED: Final = "trusted"
"""The trust folder's name where `penstock certs` made it."""
_KEPT_REJECTED: Final = 20
"""Certificates kept for a person to look at; more would let a stranger fill the disk."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our application instance certificate and its key, as read from their files."""

    certificate: bytes
    key: bytes = field(repr=False)
    application_uri: str

    async def apply(self, client: Client, settings: SecuritySettings, server: bytes) -> None:
        """Make a new client use this identity towards the server of a certificate."""
        client.application_uri = self.application_uri
        client.certificate_validator = await _validator(settings)
        await client.set_security(
            POLICIES[settings.policy],
            CertProperties(self.certificate, "der"),
            CertProperties(self.key, "der"),
            server_certificate=CertProperties(server, "der"),
            mode=MODES[settings.mode],
        )


def load_identity(
    settings: SecuritySettings, application_uri: str | None, now: int
) -> Identity | None:
    """Read and judge our certificate and key; None where the link goes without security.

    Args:
        settings: Where the files are.
        application_uri: Our URI where configured; otherwise the certificate's.
        now: Microseconds since 1970-01-01 UTC.

    Raises:
        DeviceError: A file is missing or no certificate or key, they do not belong together, the
            certificate is out of date, or names another application URI.
    """
    if settings.certificate is None or settings.key is None:
        return None
    where = str(settings.certificate)
    certificate = _read_certificate(settings.certificate)
    key = _read_key(settings.key)
    if key.public_key() != certificate.public_key():
        msg = f"the key {settings.key} does not belong to this certificate"
        raise DeviceError(msg, where=where, remedy="name the key that was made with it")
    today = datetime.fromtimestamp(now / 1e6, UTC)
    if not certificate.not_valid_before_utc <= today <= certificate.not_valid_after_utc:
        msg = (
            f"our certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
            f"to {certificate.not_valid_after_utc:%Y-%m-%d}: it has expired or is not valid yet"
        )
        remedy = "make a new one, copy it to the server's trusted certificates, check the clock"
        raise DeviceError(msg, where=where, remedy=remedy)
    uris = _uris(certificate)
    uri = application_uri or next(iter(uris), None)
    if uri is None or uri not in uris:
        msg = (
            f"application_uri {uri} is not the one in our certificate ({', '.join(uris) or 'none'})"
        )
        remedy = "leave application_uri away, or make a certificate with this URI"
        raise DeviceError(msg, where=where, remedy=remedy)
    return Identity(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        uri,
    )


async def check_server(
    endpoint: ua.EndpointDescription, settings: SecuritySettings, where: str
) -> bytes:
    """Judge the certificate that an endpoint offers, before any channel is opened to it.

    Returns:
        The server's certificate, DER.

    Raises:
        DeviceError: It is not in the trust folder, out of date, revoked, or not for this server.
    """
    certificate: x509.Certificate | None = x509_from_der(  # type: ignore[no-untyped-call]  # asyncua
        endpoint.ServerCertificate
    )
    if certificate is None:
        msg = f"the server's endpoint {settings} has no certificate"
        raise DeviceError(msg, where=where, remedy="give the server a certificate")
    encoded: bytes = certificate.public_bytes(serialization.Encoding.DER)
    try:
        await (await _validator(settings))(certificate, endpoint.Server)
    except ServiceError as error:
        raise _refused(error, certificate, endpoint, settings, where) from error
    return encoded


async def _validator(settings: SecuritySettings) -> CertificateValidator:
    folder = settings.trust
    if folder is None or not folder.is_dir():
        msg = "this folder of trusted servers' certificates does not exist"
        raise DeviceError(msg, where=str(folder), remedy="make it, or correct security.trust")
    revoked = folder / "crl"
    store = TrustStore([folder], [revoked] if revoked.is_dir() else [])
    try:
        if any(file.suffix.lower() in (".der", ".pem") for file in folder.iterdir()):
            await store.load()  # a store that is not loaded trusts nobody
    except ValueError as error:
        msg = f"a file in this folder cannot be read as a certificate: {error}"
        raise DeviceError(msg, where=str(folder), remedy="remove or replace it") from error
    options = CertificateValidatorOptions
    return CertificateValidator(options.TRUSTED_VALIDATION | options.PEER_SERVER, store)


def _refused(
    error: ServiceError,
    certificate: x509.Certificate,
    endpoint: ua.EndpointDescription,
    settings: SecuritySettings,
    where: str,
) -> DeviceError:
    """What to tell a person about a server's certificate that we do not accept."""
    code = ua.StatusCode(ua.UInt32(error.code))
    name = certificate.subject.rfc4514_string()
    if error.code == StatusCodes.BadCertificateUntrusted:
        encoded = certificate.public_bytes(serialization.Encoding.DER)
        thumbprint = hashlib.sha1(encoded).hexdigest()
        kept = _keep_rejected(encoded, thumbprint, settings)
        msg = f"the server's certificate ({name}, SHA-1 {thumbprint}) is not trusted"
        trusting = f"copy {kept or 'its certificate, as a .der file,'} to {settings.trust}"
        if kept and settings.trust and settings.trust.name == TRUSTED:
            trusting = f"penstock certs trust {thumbprint} --folder {settings.trust.parent}"
        remedy = (
            f"compare the thumbprint with the one the server shows; if it is the same: {trusting}"
        )
    elif error.code == StatusCodes.BadCertificateTimeInvalid:
        msg = (
            f"the server's certificate ({name}) is valid from "
            f"{certificate.not_valid_before_utc:%Y-%m-%d} "
            f"to {certificate.not_valid_after_utc:%Y-%m-%d}: it has expired or is not valid yet"
        )
        remedy = "make the server a new one and trust it; check this machine's clock"
    elif error.code == StatusCodes.BadCertificateUriInvalid:
        msg = (
            f"the server's certificate ({name}) is for "
            f"{', '.join(_uris(certificate)) or 'no URI'}, "
            f"but the server says it is {endpoint.Server.ApplicationUri}"
        )
        remedy = "make the server a certificate with its own application URI"
    else:
        msg = f"the server's certificate ({name}) is refused: {code.name}, {code.doc}"
        remedy = "make the server a certificate for OPC UA (OPC 10000-6, 6.2.2) and trust it"
    return DeviceError(msg, where=where, remedy=remedy)


def _keep_rejected(encoded: bytes, thumbprint: str, settings: SecuritySettings) -> Path | None:
    """Keep an untrusted certificate beside the trust folder, for a person to judge."""
    if settings.trust is None:
        return None
    folder = settings.trust.parent / "rejected"
    file = folder / f"{thumbprint}.der"
    try:
        folder.mkdir(exist_ok=True)
        if not file.exists() and len(list(folder.iterdir())) >= _KEPT_REJECTED:
            return None
        file.write_bytes(encoded)
    except OSError:  # a read-only file system: the thumbprint must do
        return None
    return file


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def _read_certificate(file: Path) -> x509.Certificate:
    try:
        content = file.read_bytes()
        if content.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as error:
        msg = f"our certificate cannot be read: {error}"
        raise DeviceError(msg, where=str(file), remedy=_MAKE_ONE) from error


def _read_key(file: Path) -> rsa.RSAPrivateKey:
    try:
        content = file.read_bytes()
        pem = content.startswith(b"-----BEGIN")
        load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
        key = load(content, None)
    except (OSError, ValueError, TypeError) as error:
        msg = f"our private key cannot be read: {error}"
        raise DeviceError(msg, where=str(file), remedy=_MAKE_ONE) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        msg = "our private key is not an RSA key, which these policies need"
        raise DeviceError(msg, where=str(file), remedy=_MAKE_ONE)
    return key
