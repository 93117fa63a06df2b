"""OPC UA certificates as files: what one says, what is wrong with it, and trusting it."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from penstock.errors import ConfigurationError

SUFFIXES: Final = (".der", ".pem", ".crt", ".cer")
_LEAST_BITS: Final = 2048
"""Of an RSA key under Basic256Sha256 (OPC 10000-7, 6.6.165)."""
_SOON: Final = 30
"""Days before its end from which on a certificate is worth a word."""


@dataclass(frozen=True, slots=True)
class Described:
    """A certificate in a file."""

    path: Path
    subject: str
    issuer: str
    uris: tuple[str, ...]
    thumbprint: str
    """SHA-1 of the DER, as OPC UA servers and engineering tools show it."""
    begins: datetime
    ends: datetime
    problems: tuple[str, ...]


def describe(path: Path, now: int) -> Described:
    """Read a certificate, DER or PEM.

    Args:
        path: The file.
        now: Microseconds since 1970-01-01 UTC.

    Raises:
        ConfigurationError: It cannot be read, is a private key, or no certificate.
    """
    found = _read(path)
    uris = tuple(_uris(found))
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    return Described(
        path,
        found.subject.rfc4514_string(),
        found.issuer.rfc4514_string(),
        uris,
        found.fingerprint(hashes.SHA1()).hex(),
        begins,
        ends,
        tuple(_problems(found, uris, datetime.fromtimestamp(now / 1e6, UTC))),
    )


def certificates_in(folder: Path) -> list[Path]:
    """The certificate files in a folder and those below it; keys are passed over."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [path for path in files if b"PRIVATE KEY" not in path.read_bytes()]


def find(text: str, rejected: Path) -> Path:
    """The certificate that a path names, or the beginning of a thumbprint of a rejected one.

    Raises:
        ConfigurationError: There is none, or more than one.
    """
    if Path(text).is_file():
        return Path(text)
    known = certificates_in(rejected) if rejected.is_dir() else []
    begin = text.replace(":", "").replace(" ", "").lower()
    found = [path for path in known if path.stem.lower().startswith(begin)]
    if len(found) == 1:
        return found[0]
    msg = f"no certificate is named {text!r}" if not found else f"{text!r} begins several"
    names = ", ".join(path.stem for path in known) or "none; connect first, so that it is kept"
    raise ConfigurationError(msg, remedy=f"name a file, or one in {rejected}: {names}")


def trust(path: Path, trusted: Path, rejected: Path) -> Path:
    """Put a certificate into the folder of trusted ones; out of the rejected, if it lies there.

    Raises:
        ConfigurationError: The folder cannot be written to.
    """
    target = trusted / path.name
    try:
        trusted.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        if path.parent.resolve() == rejected.resolve():
            path.unlink()
    except OSError as error:
        msg = f"cannot be written: {error.strerror}"
        raise ConfigurationError(msg, where=str(target), remedy="correct its rights") from error
    return target


def _read(path: Path) -> x509.Certificate:
    try:
        content = path.read_bytes()
        if b"PRIVATE KEY" in content:
            msg, remedy = "is a private key", "name the certificate; a key never leaves its machine"
            raise ConfigurationError(msg, where=str(path), remedy=remedy)
        if content.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as error:
        msg = f"cannot be read as a certificate: {error}"
        raise ConfigurationError(msg, where=str(path), remedy="name a .der or .pem file") from error


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def _problems(certificate: x509.Certificate, uris: tuple[str, ...], now: datetime) -> list[str]:
    found = []
    left = (certificate.not_valid_after_utc - now).days
    if now < certificate.not_valid_before_utc:
        found.append("is not valid yet: check the clocks of this machine and of the one it is of")
    elif left < 0:
        found.append("has expired: make a new one, and trust it again on the other side")
    elif left < _SOON:
        found.append(f"expires in {left} days: make a new one in time")
    if not uris:
        found.append("names no application URI, which OPC UA wants")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_BITS:
        found.append(f"its key has {key.key_size} bits, too few: {_LEAST_BITS} are wanted")
    algorithm = certificate.signature_hash_algorithm
    if algorithm is not None and algorithm.name in ("md5", "sha1"):
        found.append(f"is signed with {algorithm.name}, which is broken")
    return found
