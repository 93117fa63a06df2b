"""A plant on a Kafka that asks for TLS and SCRAM: carried with the right password, refused else."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
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
from penstock.settings.plant import RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from plant_rig import ModbusHarness, Plant, until

PASSWORD = "crane-and-gate"


@dataclass(frozen=True, slots=True)
class SecuredBroker(Broker):
    """A broker with a second listener, for clients over TLS that say who they are."""

    secured: int = 0

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
        }  # fmt: skip
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


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("secured")
    (folder / "tmp").mkdir()
    authority = write_certificate(folder)
    broker = SecuredBroker(folder, free_port(), secured=free_port())
    with (folder / "log").open("wb") as log:
        command = broker.command(None, "-Dpenstock.test=secured")
        environment = os.environ | broker.environment()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        admin = AdminClient({"bootstrap.servers": broker.address})
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion("penstock", mechanism, PASSWORD.encode())
        for done in admin.alter_user_scram_credentials([user], request_timeout=60).values():
            done.result()
        yield {
            "bootstrap": f"{HOST}:{broker.secured}",
            "security": "SASL_SSL",
            "mechanism": "SCRAM-SHA-512",
            "user": "penstock",
            "password": "${file:password}",
            "ca": str(authority),
            "partitions": 2,
        }
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[ModbusHarness]:
    device = ModbusHarness(tmp_path)
    await device.start()
    yield device
    await device.close()


async def test_a_plant_runs_on_a_kafka_that_asks_for_tls_and_a_password(
    secured: dict[str, Any], registry: RegistrySettings, device: ModbusHarness, tmp_path: Path,
    unique: str,
) -> None:  # fmt: skip
    (tmp_path / "password").write_text(PASSWORD)
    plant = Plant(tmp_path, device, unique, kafka=secured, registry={"url": registry.url})
    with plant.penstock("run", str(plant.file)):
        await until(lambda: 20.5 in plant.temperatures(), plant.logs)
        await until(lambda: plant.windows() > 0, plant.logs)
    assert PASSWORD not in plant.logs()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"user": "stranger"}, "refuses us: "), ({"ca": None}, "certificate verify")],
)
async def test_a_kafka_that_refuses_us_is_told_in_its_own_words(
    change: dict[str, Any], words: str, secured: dict[str, Any], registry: RegistrySettings,
    device: ModbusHarness, tmp_path: Path, unique: str,
) -> None:  # fmt: skip
    (tmp_path / "password").write_text(PASSWORD)
    kafka = {key: value for key, value in (secured | change).items() if value is not None}
    plant = Plant(tmp_path, device, unique, kafka=kafka, registry={"url": registry.url})
    with plant.penstock("work", "sink", "lake", "--config", str(plant.file)):
        await until(lambda: words in str(plant.status("sink-lake").get("last_error")), plant.logs)
