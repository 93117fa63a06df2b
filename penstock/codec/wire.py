"""Confluent's framing: a zero byte, the schema's id in four bytes, then the Avro body."""

import struct
from typing import Final

from penstock.errors import DecodeError

MAGIC: Final = 0
_PREFIX: Final = struct.Struct(">BI")
PREFIX_BYTES: Final = _PREFIX.size


def frame(schema_id: int, body: bytes) -> bytes:
    r"""Put the id of its schema before an Avro body.

    >>> frame(7, b"body")
    b'\x00\x00\x00\x00\x07body'
    """
    return _PREFIX.pack(MAGIC, schema_id) + body


def unframe(message: bytes | None) -> tuple[int, bytes]:
    """The schema's id and the Avro body of a message.

    >>> unframe(frame(7, b"body"))
    (7, b'body')

    Raises:
        DecodeError: The message is a tombstone, too short, or begins with another byte.
    """
    if message is None:
        msg = "the record has no value"
        raise DecodeError(msg, remedy="publish Avro in Confluent's framing")
    if len(message) < _PREFIX.size:
        msg = f"{len(message)} bytes are too short for a magic byte and a schema id"
        raise DecodeError(msg, remedy="publish Avro in Confluent's framing")
    magic, schema_id = _PREFIX.unpack_from(message)
    if magic != MAGIC:
        msg = f"the first byte is 0x{magic:02x}, not the magic byte 0x00"
        raise DecodeError(msg, remedy="publish Avro in Confluent's framing")
    return schema_id, message[_PREFIX.size :]
