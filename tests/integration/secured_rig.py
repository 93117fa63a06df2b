"""A broker that asks clients for TLS and SCRAM, beside an open door for who prepares the test."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock.local.broker import Broker
from penstock.local.ports import HOST, free_port

PASSWORD = "crane-and-gate"


@dataclass(frozen=True, slots=True)
class SecuredBroker(Broker):
    """A broker with a second listener, for clients over TLS that say who they are."""

    secured: int = 0
    more: tuple[tuple[str, str], ...] = ()
    """Settings of the broker."""

    def _write_settings(self) -> Path:
        path = Broker._write_settings(self)
        written = path.read_text("utf-8")
        plain = f"PLAINTEXT://{self.address}"
        path.write_text(written.replace(plain, f"{plain},SASL_SSL://{HOST}:{self.secured}"))
        more = {
            "listener.security.protocol.map":
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "broker.pem"),
        } | dict(self.more)  # fmt: skip
        with path.open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in more.items())
        return path


def write_certificate(folder: Path) -> Path:
    """The broker's key and self-signed certificate in one file; gives the certificate alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "broker.pem").write_bytes(private + certificate)
    authority = folder / "ca.pem"
    authority.write_bytes(certificate)
    return authority


class Secured(NamedTuple):
    """A secured broker at work."""

    admin: AdminClient
    """Through the open door."""
    address: str
    """Of the open door."""
    kafka: dict[str, Any]
    """The section `kafka` of a plant for the guarded one, with its user to be added."""

    def users(self, *names: str) -> None:
        """Let these users in, with `PASSWORD`."""
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = [UserScramCredentialUpsertion(n, mechanism, PASSWORD.encode()) for n in names]
        for done in self.admin.alter_user_scram_credentials(wanted, request_timeout=60).values():
            done.result()


@contextmanager
def secured_broker(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Secured]:
    """Start one with its data in a folder, and stop it."""
    (folder / "tmp").mkdir()
    authority = write_certificate(folder)
    broker = SecuredBroker(
        folder, free_port(), secured=free_port(), more=tuple((more or {}).items())
    )
    with (folder / "log").open("wb") as log:
        command = broker.command(None, "-Dpenstock.test=secured")
        environment = os.environ | broker.environment()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield Secured(
            AdminClient({"bootstrap.servers": broker.address, "log_level": 0}),
            broker.address,
            {
                "bootstrap": f"{HOST}:{broker.secured}",
                "security": "SASL_SSL",
                "mechanism": "SCRAM-SHA-512",
                "password": "${file:password}",
                "ca": str(authority),
                "partitions": 2,
            },
        )
    finally:
        process.kill()
        process.wait()
