"""What `probe` says of OPC UA servers that are not as configured; the texts are pinned."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.utils import ServiceError
from typer.testing import CliRunner

CONTRACT = Path(__file__).parents[1] / "contract"
sys.path.insert(0, str(CONTRACT))
from opcua_server import Certificates, OpcuaServer, tag  # noqa: E402

from penstock.certificates import make_certificate  # noqa: E402
from penstock.cli import app  # noqa: E402
from penstock.commissioning.probing import as_lines  # noqa: E402
from penstock.connector import Probe  # noqa: E402
from penstock.errors import DeviceError  # noqa: E402
from penstock.local.ports import free_port  # noqa: E402

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcuaServer]:
    """A server whose certificates `penstock certs` made, as far as it makes them."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    made = CliRunner().invoke(
        app, ["certs", "create", "--folder", str(certificates.client.parent), "--force"]
    )
    assert made.exit_code == 0, made.exception
    shutil.copy(certificates.client, certificates.trusted_clients)
    running = OpcuaServer(free_port(), certificates)
    await running.start({"temperature": 20.5, "running": True})
    yield running
    await running.kill()


async def problems(server: OpcuaServer, *tags: object, **changes: object) -> list[str]:
    probe = await server.connector(list(tags), **changes).probe()
    return [str(problem) for problem in probe.problems]


async def test_sign_and_encrypt_with_a_user_and_certificates_of_penstock_certs(
    server: OpcuaServer,
) -> None:
    probe: Probe = await server.connector([tag("temperature", low=0, high=100)]).probe()
    assert probe.problems == ()
    assert probe.identity == "Press 07"
    assert probe.details["Basic256Sha256/SignAndEncrypt"].startswith("fits")
    assert probe.details["user"] == "penstock"
    assert probe.details["tags"] == "1 of 1 can be read"
    assert "urn:acme:press" in probe.details["namespaces"]
    assert server.written == []


async def test_another_certificate_is_refused_by_the_server_and_why(
    server: OpcuaServer, tmp_path: Path
) -> None:
    CliRunner().invoke(app, ["certs", "create", "--folder", str(tmp_path)])
    security = server.certificates.security(
        certificate=tmp_path / "client.der", key=tmp_path / "client.pem"
    )
    (problem,) = await problems(server, tag("temperature"), security=security)
    assert "the server does not trust our certificate" in problem
    assert f"copy {tmp_path / 'client.der'} (never the key) into the server's trusted" in problem


async def test_an_expired_certificate_of_ours(server: OpcuaServer, tmp_path: Path) -> None:
    make_certificate(
        tmp_path / "client.der", tmp_path / "client.pem", "urn:acme:penstock",
        common_name="penstock", days=0,
    )  # fmt: skip
    security = server.certificates.security(
        certificate=tmp_path / "client.der", key=tmp_path / "client.pem"
    )
    (problem,) = await problems(server, tag("temperature"), security=security)
    assert "it has expired or is not valid yet" in problem
    assert "make a new one, copy it to the server's trusted certificates" in problem


async def test_an_untrusted_server_is_trusted_with_penstock_certs(
    server: OpcuaServer, tmp_path: Path
) -> None:
    trust = tmp_path / "trusted"
    trust.mkdir()
    security = server.certificates.security(trust=trust)
    (problem,) = await problems(server, tag("temperature"), security=security)
    thumbprint = re.search(r"SHA-1 (\w+)", problem)
    assert thumbprint
    assert f"penstock certs trust {thumbprint[1]} --folder {tmp_path}" in problem
    asked = CliRunner().invoke(
        app, ["certs", "trust", thumbprint[1][:10], "--folder", str(tmp_path)], input="y\n"
    )
    assert asked.exit_code == 0, asked.exception
    assert await problems(server, tag("temperature"), security=security) == []


async def test_a_wrong_password(server: OpcuaServer) -> None:
    security = server.certificates.security(password="guess")
    (problem,) = await problems(server, tag("temperature"), security=security)
    assert "the server refuses the user penstock (BadUserAccessDenied)" in problem


async def test_a_policy_that_the_server_does_not_offer(server: OpcuaServer) -> None:
    security = server.certificates.security(mode="Sign")
    (problem,) = await problems(server, tag("temperature"), security=security)
    assert "does not offer Basic256Sha256/Sign; it offers Basic256Sha256/SignAndEnc" in problem


async def test_a_wrong_namespace_is_named_with_the_right_one(server: OpcuaServer) -> None:
    wrong = [
        tag(name, address=f"nsu=urn:acme:pres;s={name}", where=f"tags.csv:{line}")
        for line, name in ((2, "temperature"), (3, "running"))
    ]
    assert await problems(server, *wrong, tag("running")) == [
        "tags.csv:2: column address: the server has no namespace 'urn:acme:pres', and 1 more "
        "(did you mean 'urn:acme:press'?)"
    ]
    connector = server.connector([*wrong, tag("running")])
    await connector.start()  # In operation it is said, too, and the rest goes on.
    assert "the server has no namespace 'urn:acme:pres'" in connector.meter.last_error
    assert await connector.read()
    await connector.stop()


async def test_a_node_that_is_not_there(server: OpcuaServer) -> None:
    (problem,) = await problems(server, tag("missing", where="tags.csv:2"), tag("running"))
    assert problem == (
        "tags.csv:2: column address: the server refuses 'nsu=urn:acme:press;s=missing' with "
        "BadNodeIdUnknown (look the address up with penstock connectors browse)"
    )


async def test_a_value_outside_its_plausible_range(server: OpcuaServer) -> None:
    (problem,) = await problems(server, tag("temperature", scale=10, high=100, where="tags.csv:2"))
    assert "tag 'temperature' is 205, above its greatest plausible value, 100" in problem


async def test_a_server_whose_clock_is_off(server: OpcuaServer) -> None:
    assert server.server
    clock = server.server.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime)
    await clock.write_value(datetime.now(UTC) - timedelta(seconds=90))
    (problem,) = await problems(server, tag("temperature"))
    await clock.write_value(datetime(1601, 1, 1, tzinfo=UTC))  # As it was: none.
    assert "the server's clock is 9" in problem
    assert " s behind ours (let both follow one NTP server" in problem


async def test_a_server_that_has_no_session_left(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise ServiceError(ua.StatusCodes.BadTooManySessions)

    assert server.server
    monkeypatch.setattr(server.server.iserver, "create_session", full)
    (problem,) = await problems(server, tag("temperature"))
    assert "the server has no session or subscription left for us (BadTooManySessions)" in problem
    assert "end other clients' sessions or raise the server's limit" in problem


async def test_another_protocol_on_the_port(server: OpcuaServer) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(serve, "127.0.0.1", port := free_port())
    with pytest.raises(DeviceError, match=r"a web server \(HTTP\) answers.*listen on 4840"):
        await server.connector([], url=f"opc.tcp://127.0.0.1:{port}").probe()
    web.close()
    await web.wait_closed()


async def test_no_request_that_could_change_something_leaves(server: OpcuaServer) -> None:
    async with server.connector([]).session() as client:
        node = client.get_node(server.nodes["temperature"].nodeid)
        with pytest.raises(DeviceError, match="WriteRequest is not one of the requests that only"):
            await node.write_value(1.0)
        with pytest.raises(DeviceError, match="CallRequest is not one of the requests that only"):
            await client.uaclient.session.call([ua.CallMethodRequest()])
    assert server.written == []


async def test_nobody_on_the_port_is_said_in_words(server: OpcuaServer) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(DeviceError, match="refused: nothing listens on this port"):
            await server.connector([], url=f"opc.tcp://{host}:{free_port()}").probe()


async def test_a_refusal_is_said_once(server: OpcuaServer) -> None:
    security = server.certificates.security(mode="Sign")
    probe = await server.connector([], security=security).probe()
    lines = as_lines("press", probe)
    assert "  Basic256Sha256/Sign does not fit" in lines
    assert sum("does not offer" in line for line in lines) == 1
