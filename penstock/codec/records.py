"""Every record but SensorEvent: Avro bodies from and to dictionaries.

Times are whole microseconds since 1970-01-01 UTC, in both directions.
"""

from typing import Any

from penstock.codec.generic import read_generic, write_generic


def encode_record(name: str, datum: dict[str, Any]) -> bytes:
    """The Avro body of a record of `schemas.SCHEMAS`.

    Raises:
        KeyError: There is no such record.
        ValueError: A field is missing or does not fit.
        TypeError: A field is of another type.
    """
    return write_generic(name, datum)


def decode_record(body: bytes, writer_schema_text: str, name: str) -> dict[str, Any]:
    """The datum of a body, resolved from the schema that it was written with.

    Raises:
        DecodeError: The body does not follow its schema, or that does not resolve to ours.
        KeyError: There is no such record.
    """
    return read_generic(body, writer_schema_text, name)
