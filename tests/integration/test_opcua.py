"""The OPC UA connector against real servers: security, subscriptions, losses."""

import asyncio
import math
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua

CONTRACT = Path(__file__).parents[1] / "contract"
sys.path.insert(0, str(CONTRACT))
from harness import read_until, started, until  # noqa: E402
from opcua_server import (  # noqa: E402
    CLIENT_URI,
    NAMESPACE,
    Certificates,
    OpcuaServer,
    tag,
)

from connectors.opcua.session import QUEUED_PUBLISHES  # noqa: E402
from penstock.certificates import make_certificate  # noqa: E402
from penstock.connector import Sample  # noqa: E402
from penstock.errors import DeviceError  # noqa: E402
from penstock.local.ports import free_port  # noqa: E402
from penstock.quality import BAD_TYPE_MISMATCH, is_good, signed, unsigned  # noqa: E402

pytestmark = pytest.mark.asyncio(loop_scope="module")
VALUES = {"temperature": 20.5, "running": True, "lot": "L-1", "count": 7}
YEAR = 365 * 24 * 3600 * 1_000_000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(certificates: Certificates) -> AsyncIterator[OpcuaServer]:
    """One server for all tests that leave it as it is."""
    running = OpcuaServer(free_port(), certificates)
    await running.start(VALUES)
    yield running
    await running.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def own(certificates: Certificates) -> AsyncIterator[OpcuaServer]:
    """A server that the test starts and may harm."""
    created = OpcuaServer(free_port(), certificates)
    yield created
    await created.kill()


def named(samples: list[Sample], name: str) -> list[Sample]:
    return [sample for sample in samples if sample.tag == name]


def has(name: str, value: object) -> Callable[[list[Sample]], bool]:
    return lambda samples: any(sample.value == value for sample in named(samples, name))


async def refusal(server: OpcuaServer, **changes: object) -> str:
    connector = server.connector([tag("temperature")], **changes)
    with pytest.raises(DeviceError) as error:
        async with asyncio.timeout(10):
            await connector.start()
    assert error.value.where
    assert error.value.remedy
    assert connector.meter.errors == 1
    await connector.stop()
    return str(error.value)


# Security


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Aes256Sha256RsaPss", "SignAndEncrypt"),
        ("Aes128Sha256RsaOaep", "Sign"),
    ],
)
async def test_each_policy_with_a_user(server: OpcuaServer, policy: str, mode: str) -> None:
    security = server.certificates.security(policy=policy, mode=mode)
    async with started(server.connector([tag("temperature")], security=security)) as connector:
        await read_until(connector, has("temperature", 20.5))


async def test_wrong_password(server: OpcuaServer) -> None:
    message = await refusal(server, security=server.certificates.security(password="guess"))
    assert "refuses the user penstock" in message
    assert "security.password" in message


async def test_no_user(server: OpcuaServer) -> None:
    security = server.certificates.security(user=None, password=None)
    message = await refusal(server, security=security)
    assert "refuses the user anonymous" in message


async def test_a_server_that_is_not_trusted(server: OpcuaServer, tmp_path: Path) -> None:
    trust = tmp_path / "trusted"
    trust.mkdir()
    security = server.certificates.security(trust=trust)
    thumbprint = sha1(server.certificates.server.read_bytes()).hexdigest()
    for _ in range(2):  # an empty folder, then one that trusts somebody else
        message = await refusal(server, security=security)
        assert "not trusted" in message
        assert f"penstock certs trust {thumbprint} --folder {tmp_path}" in message
        shutil.copy(server.certificates.client, trust)
    (kept,) = (tmp_path / "rejected").iterdir()
    assert kept.read_bytes() == server.certificates.server.read_bytes()
    shutil.copy(kept, trust)
    async with started(server.connector([tag("temperature")], security=security)) as connector:
        await read_until(connector, has("temperature", 20.5))


async def test_no_trust_folder(server: OpcuaServer, tmp_path: Path) -> None:
    security = server.certificates.security(trust=tmp_path / "nowhere")
    assert "security.trust" in await refusal(server, security=security)


async def test_a_file_that_is_no_certificate(server: OpcuaServer, tmp_path: Path) -> None:
    (tmp_path / "broken.der").write_bytes(b"what is this?")
    security = server.certificates.security(trust=tmp_path)
    assert "cannot be read as a certificate" in await refusal(server, security=security)


async def test_no_security_is_not_taken_for_granted(server: OpcuaServer) -> None:
    message = await refusal(server, security={"policy": "None", "mode": "None"})
    assert "does not offer None/None" in message
    assert "it offers Basic256Sha256/SignAndEncrypt" in message


async def test_no_security_by_name(own: OpcuaServer) -> None:
    own.anonymous = True
    own.policies = [ua.SecurityPolicyType.NoSecurity]
    await own.start(VALUES)
    security = {"policy": "None", "mode": "None"}
    async with started(own.connector([tag("temperature")], security=security)) as connector:
        await read_until(connector, has("temperature", 20.5))
    assert "does not offer Basic256Sha256/SignAndEncrypt" in await refusal(own)


async def test_a_client_that_the_server_does_not_trust(server: OpcuaServer, tmp_path: Path) -> None:
    stranger, key = tmp_path / "stranger.der", tmp_path / "stranger.pem"
    make_certificate(stranger, key, CLIENT_URI, common_name="stranger")
    security = server.certificates.security(certificate=stranger, key=key)
    message = await refusal(server, security=security)
    assert "does not trust our certificate" in message
    assert f"copy {stranger}" in message


async def test_an_application_uri_that_is_not_in_our_certificate(server: OpcuaServer) -> None:
    message = await refusal(server, application_uri="urn:acme:somebody")
    assert "urn:acme:somebody" in message
    assert CLIENT_URI in message


async def test_our_certificate_has_expired(server: OpcuaServer) -> None:
    connector = server.connector([tag("temperature")])
    connector.clock = lambda: time.time_ns() // 1000 + 20 * YEAR
    with pytest.raises(DeviceError, match="has expired"):
        await connector.start()


@pytest.mark.parametrize(
    ("uri", "days", "message"),
    [
        ("urn:acme:press:server", 0, "has expired or is not valid yet"),
        ("urn:acme:other", 10, "the server says it is urn:acme:press:server"),
    ],
)
async def test_a_server_with_a_wrong_certificate(
    tmp_path: Path, uri: str, days: int, message: str
) -> None:
    certificates = Certificates(tmp_path)
    make_certificate(
        certificates.server, certificates.server_key, uri, common_name="press", days=days
    )
    shutil.copy(certificates.server, certificates.trusted_servers)
    server = OpcuaServer(free_port(), certificates)
    await server.start(VALUES)
    try:
        assert message in await refusal(server)
        probe = await server.connector([]).probe()
        assert probe.details["Basic256Sha256/SignAndEncrypt"] == "does not fit"
        assert message in " ".join(map(str, probe.problems))
    finally:
        await server.kill()


async def test_a_key_of_another_certificate(server: OpcuaServer) -> None:
    security = server.certificates.security(key=server.certificates.server_key)
    assert "does not belong to this certificate" in await refusal(server, security=security)


async def test_probe_judges_the_security(server: OpcuaServer) -> None:
    probe = await server.connector([]).probe()
    assert probe.identity == "Press 07"
    assert "trusted" in probe.details["Basic256Sha256/SignAndEncrypt"]
    assert "Aes128Sha256RsaOaep/Sign" in probe.details["offered"]


# Subscriptions


async def test_values_of_all_kinds(own: OpcuaServer) -> None:
    text = ua.Variant(ua.LocalizedText("Halt"), ua.VariantType.LocalizedText)
    array = ua.Variant([1.0, 2.0], ua.VariantType.Double)
    when = ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), ua.VariantType.DateTime)
    values = {
        "integer": ua.Variant(42, ua.VariantType.UInt16),
        "text": text,
        "array": array,
        "time": when,
        "great": 2**60,
        "nan": math.nan,
        "word": "abc",
        "scaled": 10.0,
    }
    await own.start(values)
    tags = [tag(name) for name in values if name not in ("word", "scaled")]
    tags += [tag("word", type="float64"), tag("scaled", scale=2.0, offset=1.0)]
    async with started(own.connector(tags)) as connector:
        samples = await read_until(connector, lambda some: len(some) >= len(values))
    found = {sample.tag: sample for sample in samples}
    assert found["integer"].value == 42.0
    assert found["text"].value == "Halt"
    assert found["time"].value == datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6
    assert found["great"].value == 2.0**60
    assert unsigned(found["great"].quality) == ua.StatusCodes.Uncertain
    assert found["scaled"].value == 21.0
    for name in ("array", "word"):
        assert math.isnan(found[name].value)
        assert found[name].quality == BAD_TYPE_MISMATCH
    assert math.isnan(found["nan"].value)
    assert not is_good(found["nan"].quality)


async def test_status_and_times_are_kept(server: OpcuaServer) -> None:
    source = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    async with started(server.connector([tag("count"), tag("lot")])) as connector:
        await read_until(connector, lambda some: len(some) == 2)
        status = ua.StatusCodes.UncertainLastUsableValue
        await server.write("count", 8, status=status, source=source)
        (sample,) = await read_until(connector, bool)
        assert sample.value == 8.0
        assert sample.quality == signed(status)
        assert sample.source_time == round(source.timestamp() * 1e6)
        bad = ua.StatusCodes.BadSensorFailure
        await server.write("lot", ua.Variant(None, ua.VariantType.Null), status=bad)
        (sample,) = await read_until(connector, bool)
        assert math.isnan(sample.value)
        assert sample.quality == signed(bad)
    await server.write("lot", "L-1")


async def test_an_absolute_deadband_is_watched_by_the_server(server: OpcuaServer) -> None:
    tags = [tag("temperature", deadband=2.0, scale=2.0), tag("lot", deadband=1.0), tag("count")]
    async with started(server.connector(tags)) as connector:
        await read_until(connector, lambda some: len(some) == 3)
        await server.write("temperature", 21.0)  # less than 1.0, which is 2.0 of the scaled
        await server.write("temperature", 25.0)
        await server.write("count", 9)
        samples = await read_until(connector, has("count", 9))
    assert [sample.value for sample in named(samples, "temperature")] == [50.0]
    await server.write("temperature", 20.5)


async def test_the_same_value_with_a_new_time(server: OpcuaServer) -> None:
    subscription = {"publish": "50 ms", "trigger": "StatusValueTimestamp"}
    connector = server.connector([tag("temperature")], subscription=subscription)
    async with started(connector):
        await read_until(connector, bool)
        times = [datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(5)]
        for source in times:
            await server.write("temperature", 20.5, source=source)
        samples = await read_until(connector, lambda some: len(some) == len(times))
    assert [sample.source_time for sample in samples] == [
        round(source.timestamp() * 1e6) for source in times
    ]


async def test_a_bad_node_stops_no_other_and_is_asked_for_again(
    own: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.opcua.session.RETRY_SECONDS", 0.1)
    await own.start(VALUES)
    tags = [
        tag("missing"),
        tag("elsewhere", address="nsu=urn:acme:nowhere;s=temperature"),
        tag("temperature"),
    ]
    subscription = {"publish": "50 ms", "keep_alive": "100 ms"}
    connector = own.connector(tags, subscription=subscription)
    async with started(connector):
        samples = await read_until(connector, lambda some: len(some) == 3)
        unknown = signed(ua.StatusCodes.BadNodeIdUnknown)
        assert [sample.quality for sample in named(samples, "missing")] == [unknown]
        assert [sample.quality for sample in named(samples, "elsewhere")] == [unknown]
        assert "missing: BadNodeIdUnknown" in connector.meter.last_error
        index = await own.server.get_namespace_index(NAMESPACE)
        await own.server.nodes.objects.add_variable(
            ua.NodeId("missing", index), f"{index}:missing", 3.5
        )
        await read_until(connector, has("missing", 3.5))


async def test_namespaces_may_shift_when_the_server_restarts(own: OpcuaServer) -> None:
    tags = [tag("temperature"), tag("index", address="ns=2;s=temperature")]
    connector = own.connector(tags)
    await own.start(VALUES)
    async with started(connector):
        await read_until(connector, lambda some: len(some) == 2)
    await own.kill()
    await own.start(VALUES | {"temperature": 30.0}, namespaces_before=3)
    async with started(connector):
        samples = await read_until(connector, lambda some: len(some) == 2)
    assert [sample.value for sample in named(samples, "temperature")] == [30.0]
    assert not is_good(named(samples, "index")[0].quality)


async def test_an_overflow_in_the_server_is_counted(server: OpcuaServer) -> None:
    async with started(server.connector([tag("count")])) as connector:
        await read_until(connector, bool)
        await server.write("count", 10, status=0x480)
        (sample,) = await read_until(connector, bool)
        assert is_good(sample.quality)
        assert unsigned(sample.quality) == 0x480
        assert connector.meter.errors == 1
        assert "subscription.queue" in connector.meter.last_error
    await server.write("count", 7)


async def test_more_items_than_fit_in_a_call(own: OpcuaServer) -> None:
    values = {f"v{number}": float(number) for number in range(1100)}
    await own.start(values)
    async with started(own.connector([tag(name) for name in values])) as connector:
        samples = await read_until(connector, lambda some: len(some) == len(values))
    assert {sample.tag: sample.value for sample in samples} == values


# Losses


async def test_a_value_that_did_not_change_ends_the_gap_and_is_not_given_twice(
    server: OpcuaServer,
) -> None:
    connector = server.connector([tag("temperature")])
    async with started(connector):
        (before,) = await read_until(connector, bool)
    async with started(connector):
        (after,) = await read_until(connector, bool)
    assert after.value == before.value
    assert is_good(after.quality)
    assert after.source_time > before.source_time
    assert after.server_time == before.server_time
    async with started(connector):
        (again,) = await read_until(connector, bool)
    assert again.source_time > after.source_time


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Starts servers in processes of their own, which end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(CONTRACT / "opcua_server.py"), str(port), str(tmp_path)]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait(10)


async def answering(probe: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await probe()
            except DeviceError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_a_server_killed_and_restarted(
    tmp_path: Path, killable: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    certificates, port = Certificates(tmp_path), free_port()
    process = killable(port)
    connector = OpcuaServer(port, certificates).connector([tag("count")])
    await answering(connector.probe)
    async with started(connector):
        await read_until(connector, lambda some: len(some) > 20)
        process.send_signal(signal.SIGKILL)
        with pytest.raises(DeviceError):
            async with asyncio.timeout(10):
                while True:
                    await connector.read()
    with pytest.raises(DeviceError, match="cannot be reached"):
        await connector.start()
    killable(port)
    await answering(connector.probe)
    async with started(connector):
        await read_until(connector, lambda some: len(some) > 20)


class Proxy:
    """A wire between two sockets that can be cut without anybody being told."""

    def __init__(self, port: int) -> None:
        self.target, self.port, self.cut = port, free_port(), False
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self.tasks += [
            asyncio.create_task(self._carry(reader, back)),
            asyncio.create_task(self._carry(there, writer)),
        ]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.cut:
                    writer.write(data)
        finally:
            writer.close()


async def test_a_half_open_connection_is_noticed(server: OpcuaServer) -> None:
    proxy = Proxy(int(server.url.split(":")[2].split("/")[0]))
    await proxy.start()
    try:
        connector = server.connector(
            [tag("temperature")],
            url=f"opc.tcp://127.0.0.1:{proxy.port}/press/",
            timeout="1 s",
            subscription={"publish": "50 ms", "keep_alive": "200 ms"},
        )
        async with started(connector):
            await read_until(connector, bool)
            proxy.cut = True
            with pytest.raises(DeviceError, match="not even a keep-alive"):
                async with asyncio.timeout(5):
                    await connector.read()
    finally:
        await proxy.stop()


async def test_a_subscription_that_the_server_ends(server: OpcuaServer) -> None:
    async with started(server.connector([tag("temperature")])) as connector:
        await read_until(connector, bool)
        service = server.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        with pytest.raises(DeviceError):
            async with asyncio.timeout(10):
                await connector.read()


async def test_while_nobody_reads_what_is_held_is_bounded(server: OpcuaServer) -> None:
    connector = server.connector(
        [tag("count")], subscription={"publish": "10 ms", "sampling": "10 ms", "queue": 5}
    )
    async with started(connector):
        session = connector._session
        numbers = iter(range(100, 100_000))

        async def full() -> None:
            async with asyncio.timeout(10):
                while not session._queue.full():
                    await server.write("count", next(numbers))
                    await asyncio.sleep(0.01)

        await full()
        before = connector.meter.requests
        for _ in range(50):
            await server.write("count", next(numbers))
            await asyncio.sleep(0.01)
        assert connector.meter.requests <= before + 2
        last = next(numbers)
        await server.write("count", last)
        samples = await read_until(connector, has("count", last))
    # What was held, what was on its way, and what the server kept: `queue` values.
    assert len(samples) <= (QUEUED_PUBLISHES + 3) * 5 + 5
    await server.write("count", 7)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"ACKF\xff"])
async def test_garbage_and_silence(server: OpcuaServer, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        url = f"opc.tcp://127.0.0.1:{port}"
        connector = server.connector([tag("temperature")], url=url, timeout="500 ms")
        with pytest.raises(DeviceError) as error:
            async with asyncio.timeout(5):
                await connector.start()
    assert str(port) in str(error.value)
    assert error.value.remedy
    await until(lambda: connector._session is None, "let go")
