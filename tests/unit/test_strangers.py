"""Other protocols' servers are known by what they say."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.opcua.probing import hello
from penstock.certificates import make_certificate
from penstock.strangers import stranger

OPCUA = "an OPC UA server"


@asynccontextmanager
async def serving(
    says: bytes, tls: ssl.SSLContext | None = None, *, first: bool = False
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first or await reader.read(64):
            writer.write(says)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (b"HTTP/1.0 400 Bad Request\r\n", "a web server (HTTP) answers on this port"),
        (b"\x01\x02", "something answers on this port, in another protocol: 01 02"),
        (b"ACKF\x1c\0\0\0", None),
    ],
)
async def test_who_answers(says: bytes, found: str | None) -> None:
    async with serving(says) as port:
        assert await stranger("127.0.0.1", port, hello("opc.tcp://127.0.0.1/"), OPCUA) == found


async def test_a_tls_server_is_known_also_where_it_says_nothing_to_plain_text(
    tmp_path: Path,
) -> None:
    certificate, key = tmp_path / "web.der", tmp_path / "web.pem"
    make_certificate(certificate, key, "urn:web", common_name="web")
    chain = tmp_path / "chain.pem"
    chain.write_text(ssl.DER_cert_to_PEM_cert(certificate.read_bytes()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    async with serving(b"", context) as port:
        found = await stranger("127.0.0.1", port, hello("opc.tcp://127.0.0.1/"), OPCUA)
    assert found == "a TLS server answers on this port"


async def test_nobody_is_nobody() -> None:
    async with serving(b"") as port:
        pass
    assert await stranger("127.0.0.1", port, b"?", OPCUA) is None
