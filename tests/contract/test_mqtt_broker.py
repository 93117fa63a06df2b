"""The MQTT connector and a real broker: users, TLS, sessions, acknowledgement, back-pressure."""

import asyncio
import datetime
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness import read_until, started, until
from mqtt_broker import MOSQUITTO, WITHOUT_MOSQUITTO, Broker, Peer, settings

from connectors.mqtt import MqttConnector, link
from penstock.connector import Batch
from penstock.errors import DeviceError
from penstock.quality import UNCERTAIN_LAST_USABLE_VALUE
from penstock.settings.tags import Tag

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason=WITHOUT_MOSQUITTO)
OPEN = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0")
TIMED = {"value": "v", "time": "t", "time_unit": "us"}


def connector(port: int, **changes: Any) -> MqttConnector:
    chosen = MqttConnector.Settings.model_validate(
        settings(port, **({"mapping": TIMED, "stale_after": "1 min"} | changes))
    )
    return MqttConnector("cell", chosen, [Tag(asset="press07", tag="force", address="a/force")])


@asynccontextmanager
async def running(folder: Path, *lines: str) -> AsyncIterator[Broker]:
    broker = Broker(folder, *lines)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


def value(number: int) -> str:
    return json.dumps({"v": number, "t": number})


async def read_batches(found: MqttConnector, count: int) -> list[Batch]:
    """Batches that hold `count` samples."""
    batches: list[Batch] = []
    async with asyncio.timeout(10):
        while sum(len(batch.samples) for batch in batches) < count:
            batches.append(await found.read())
    return batches


async def refused(found: MqttConnector) -> DeviceError:
    with pytest.raises(DeviceError) as error:
        async with started(found):
            pass
    assert error.value.remedy
    assert found.meter.errors == 1
    return error.value


@needs_mosquitto
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_kafka_does_not_have_is_sent_again(tmp_path: Path, version: str) -> None:
    """Unacknowledged messages come again, also to a new process; acknowledged ones do not."""
    async with running(tmp_path, *OPEN) as broker:
        device = await Peer(broker.side).connect()
        first = connector(broker.port, version=version)
        async with started(first):
            await device.publish("a/force", value(1))
            (kept,) = await read_batches(first, 1)
            kept.acknowledge()
            await device.publish("a/force", value(2))
            (open_batch,) = await read_batches(first, 1)
        open_batch.acknowledge()  # too late: harmless
        await device.publish("a/force", value(3))
        async with started(first):
            # The same process has 2 already, and knows it by its time.
            assert [s.value for b in await read_batches(first, 1) for s in b.samples] == [3.0]
        second = connector(broker.port, version=version)
        async with started(second):
            again = [s.value for b in await read_batches(second, 2) for s in b.samples]
        assert again == [2.0, 3.0]
        await device.close()


@needs_mosquitto
async def test_a_clean_start_forgets_what_came_meanwhile(tmp_path: Path) -> None:
    async with running(tmp_path, *OPEN) as broker:
        device = await Peer(broker.side).connect()
        found = connector(broker.port, clean_start=True)
        async with started(found):
            pass
        await device.publish("a/force", value(1))
        async with started(found):
            await device.publish("a/force", value(2))
            assert [s.value for b in await read_batches(found, 1) for s in b.samples] == [2.0]
        await device.close()


@needs_mosquitto
async def test_a_retained_value_says_that_it_is_old(tmp_path: Path) -> None:
    async with running(tmp_path, *OPEN) as broker:
        device = await Peer(broker.side).connect()
        await device.publish("a/force", value(7), retain=True)
        found = connector(broker.port)
        async with started(found):
            (batch,) = await read_batches(found, 1)
            await device.publish("a/force", value(8), retain=True)
            (live,) = await read_batches(found, 1)
        old, new = batch.samples[0], live.samples[0]
        assert (old.value, old.source_time, old.quality) == (7.0, 7, UNCERTAIN_LAST_USABLE_VALUE)
        assert (new.value, new.source_time, new.quality) == (8.0, 8, 0)
        await device.close()


@needs_mosquitto
async def test_a_reader_that_stands_still_holds_a_bounded_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is not read, and goes on where it was."""
    monkeypatch.setattr(link, "MOST_HELD", 50)
    monkeypatch.setattr(link, "MOST_AT_ONCE", 20)
    async with running(tmp_path, *OPEN) as broker:
        device = await Peer(broker.side).connect()
        found = connector(broker.port, keep_alive="30 s")
        async with started(found):
            for number in range(500):
                await device.publish("a/force", value(number))
            assert found._link is not None
            held = found._link._held
            await until(lambda: len(held) == 50, "the bound reached")
            batches = await read_batches(found, 500)
            assert max(len(batch.samples) for batch in batches) <= 20
        numbers = [sample.value for batch in batches for sample in batch.samples]
        assert numbers == [float(number) for number in range(500)]
        await device.close()


@needs_mosquitto
async def test_a_user_is_needed_and_told(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("penstock:secret\n")
    passwd = Path(str(MOSQUITTO)).parent.parent / "bin" / "mosquitto_passwd"
    if not passwd.exists():
        pytest.skip("mosquitto_passwd is not installed")
    process = await asyncio.create_subprocess_exec(str(passwd), "-U", str(users))
    assert await process.wait() == 0
    async with running(tmp_path, "allow_anonymous false", f"password_file {users}") as broker:
        for version in ("5", "3.1.1"):
            error = await refused(connector(broker.port, version=version))
            assert "does not let us in" in str(error) or "user or password" in str(error)
            await refused(connector(broker.port, user="penstock", password="wrong"))
        found = connector(broker.port, user="penstock", password="secret")
        async with started(found):
            assert found.meter.errors == 0


@needs_mosquitto
async def test_another_client_with_our_name_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, *OPEN) as broker:
        first, second = connector(broker.port), connector(broker.port)
        async with started(first), started(second):
            with pytest.raises(DeviceError, match="client_id"):
                await asyncio.wait_for(first.read(), 5)


async def test_a_port_without_a_broker_is_told(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        writer.close()

    for handler in (silent, talkative):
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        error = await refused(connector(port, timeout="500 ms"))
        assert f":{port}" in str(error)
        server.close()


class Authority:
    """Signs certificates for a broker and its clients."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(name, self._key.public_key(), ca=True)
        self.path = self._write(name, self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key.public_key(), ca=False)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (
            self._write(name, certificate.public_bytes(pem)),
            self._write(f"{name}-key", private),
        )

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / f"{name}.pem"
        path.write_bytes(data)
        return path

    def _signed(self, name: str, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)])
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


@needs_mosquitto
async def test_tls_checks_both_ends(tmp_path: Path) -> None:
    ours, strangers = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger")
    certificate, key = ours.issue("broker")
    client, client_key = ours.issue("client")
    lines = [
        "allow_anonymous true", f"cafile {ours.path}", f"certfile {certificate}",
        f"keyfile {key}", "require_certificate true",
    ]  # fmt: skip
    async with running(tmp_path, *lines) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        mine = {"certificate": str(client), "key": str(client_key)}
        found = connector(broker.port, url=url, tls={"ca": str(ours.path)} | mine)
        async with started(found):
            probe = await found.probe()
        assert probe.details["tls"] == "yes"
        assert "mosquitto" in probe.identity
        error = await refused(connector(1, url=url, tls={"ca": str(strangers.path)} | mine))
        assert "certificate is not accepted" in str(error)
        assert "tls.ca" in str(error)
        error = await refused(connector(1, url=url, tls={"ca": str(ours.path)}))
        assert "certificate" in str(error)
        await refused(connector(broker.port, timeout="1 s"))  # plain, on a port with TLS
        with pytest.raises(DeviceError, match="no-such"):
            await connector(1, url=url, tls={"ca": str(tmp_path / "no-such.pem")}).start()


async def test_a_malformed_payload_stops_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        device = await Peer(broker.side).connect()
        found = connector(broker.port)
        async with started(found):
            for payload in (b"{", b"\xff" * 300, b'{"v": "x", "t": []}', value(5).encode()):
                await device.publish("a/force", payload)
            samples = await read_until(found, lambda some: len(some) == 4)
        assert [sample.quality == 0 for sample in samples] == [False, False, False, True]
        assert found.meter.errors >= 3
        assert "a/force" in found.meter.last_error
        await device.close()
