"""What is wrong where nobody answers on a port, or somebody with another protocol.

A stranger is known by the first bytes it says.
"""

import asyncio
import errno
import os
import re
import socket
import ssl
from typing import Final

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_LISTEN_SECONDS: Final = 1.5
_SHOWN: Final = 16
_SIGNS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"HTTP/", "a web server (HTTP)"),
    (b"SSH-", "an SSH server"),
    (b"\x15\x03", "a TLS server"),
    (b"\x16\x03", "a TLS server"),
    (b"ACK", "an OPC UA server"),
    (b"ERR", "an OPC UA server"),
    (b"220 ", "an FTP or mail server"),
    (b"\x20\x02", "an MQTT broker"),
    (b"\x03\x00", "a server of ISO on TCP (S7, RDP)"),
)


def unreached(error: OSError) -> str:
    """Why a connection could not be made, in words.

    >>> unreached(ConnectionRefusedError(111, "Connect call failed"))
    'refused: nothing listens on this port'
    """
    # asyncio puts the errors of several addresses of one name into a text.
    numbers = {int(number) for number in _ERRNO.findall(str(error))}
    if isinstance(error, ConnectionRefusedError) or numbers == {errno.ECONNREFUSED}:
        return "refused: nothing listens on this port"
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    return os.strerror(error.errno) if error.errno else str(error)


def known_by(first: bytes) -> str | None:
    r"""What speaks so, where its first bytes tell.

    >>> known_by(b"HTTP/1.1 400 Bad Request"), known_by(b"\x15\x03\x03\x00\x02")
    ('a web server (HTTP)', 'a TLS server')
    """
    return next((name for sign, name in _SIGNS if first.startswith(sign)), None)


def shown(data: bytes) -> str:
    r"""Bytes for people: as text where they are such, else as hexadecimal.

    >>> shown(b"HTTP/1.1 400 Bad Request"), shown(b"\x15\x03\x03")
    ("'HTTP/1.1 400 Bad'", '15 03 03')
    """
    part = data[:_SHOWN]
    try:
        text = part.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    return repr(text) if text.isprintable() and text else part.hex(" ")


async def first_words(host: str, port: int, question: bytes) -> bytes:
    """What comes back, within 1.5 s, to a question asked on a connection of its own."""
    writer = None
    try:
        async with asyncio.timeout(_LISTEN_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(question)
            return await reader.read(64)
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer:
            writer.transport.abort()


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS server answers; its certificate is not judged and nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    writer = None
    try:
        async with asyncio.timeout(_LISTEN_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return error.reason not in (None, "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
    except (OSError, TimeoutError):
        return False
    finally:
        if writer:
            writer.transport.abort()
    return True


async def stranger(host: str, port: int, question: bytes, expected: str) -> str | None:
    """Who answers a protocol's first question in another protocol; None where nobody does.

    Args:
        host: Name or IP address.
        port: TCP port.
        question: What a client of the expected protocol says first.
        expected: The name by which `known_by` knows the expected protocol.

    Returns:
        Words for an error, as "a web server (HTTP) answers on this port".
    """
    first = await first_words(host, port, question)
    found = known_by(first)
    if found == expected:
        return None
    if not found and await speaks_tls(host, port):
        found = "a TLS server"
    if found:
        return f"{found} answers on this port"
    return f"something answers on this port, in another protocol: {shown(first)}" if first else None
