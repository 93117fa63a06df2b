"""Avro through fastavro: any schema that resolves to ours, records as dictionaries.

Times are whole microseconds here, as everywhere in Penstock: logical types are taken off before
fastavro sees a schema, since a `datetime` cannot hold every `long`.
"""

import io
import json
from functools import lru_cache
from textwrap import shorten
from typing import Any, Final

import fastavro

from penstock.errors import DecodeError
from schemas import schema_text

_MICROSECONDS: Final = {None: 1, "timestamp-micros": 1, "timestamp-millis": 1000}
"""Microseconds in the unit of a long that our schema holds as `timestamp-micros`."""

_REASON: Final = 300
"""Characters kept of what fastavro says."""


@lru_cache(maxsize=256)
def is_current(writer_schema: str, name: str) -> bool:
    """Whether a schema is ours but for `doc` and `aliases`, which no byte depends on.

    The schemas' JSON is compared, not their Parsing Canonical Form: that equates milliseconds with
    microseconds.
    """
    return bool(_comparable(writer_schema) == _comparable(schema_text(name)))


def read_generic(body: bytes, writer_schema: str, name: str) -> dict[str, Any]:
    """Decode a body written with any schema into the datum of one of ours.

    Args:
        body: Avro, without framing.
        writer_schema: The schema that it was written with.
        name: The record (`schemas.SCHEMAS`) that is wanted.

    Raises:
        DecodeError: The body does not follow its schema, or that does not resolve to ours.
    """
    stream = io.BytesIO(body)
    try:
        writer, scales = _writer(writer_schema, name)
        reader = None if is_current(writer_schema, name) else _parsed(schema_text(name))
        read: Any = fastavro.schemaless_reader(stream, writer, reader)
    except DecodeError:
        raise
    except Exception as error:  # fastavro raises whatever broken bytes make Python raise
        why = shorten(
            str(error).replace(f" from {stream}", ""), _REASON, placeholder=" …"
        )  # a mismatch quotes both schemas whole
        msg = f"fastavro cannot read this as {name}: {type(error).__name__}: {why}"
        raise DecodeError(msg) from error
    if stream.tell() != len(body):
        msg = f"{len(body) - stream.tell()} bytes follow the record"
        raise DecodeError(msg)
    datum: dict[str, Any] = read
    for field, scale in scales.items():
        datum[field] *= scale
    return datum


def write_generic(name: str, datum: dict[str, Any]) -> bytes:
    """Encode a datum of one of our records; times are whole microseconds.

    Raises:
        ValueError: A field is missing or does not fit.
        TypeError: A field is of another type.
    """
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, _parsed(schema_text(name)), datum)
    return stream.getvalue()


@lru_cache(maxsize=256)
def _comparable(text: str) -> Any:
    try:
        return _without(json.loads(text), {"doc", "aliases"})
    except ValueError as error:
        msg = f"the writer's schema is not JSON: {error}"
        raise DecodeError(msg) from error


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    return fastavro.parse_schema(_without(json.loads(text), {"logicalType"}))


@lru_cache(maxsize=256)
def _writer(text: str, name: str) -> tuple[Any, dict[str, int]]:
    """The parsed schema, and what to multiply its fields by where they are not microseconds."""
    ours, theirs = _units(json.loads(schema_text(name))), _units(json.loads(text))
    scales = {}
    for field, unit in theirs.items():
        if ours.get(field) != "timestamp-micros":
            continue
        if unit not in _MICROSECONDS:
            msg = f"field {field!r} is written as {unit!r}, which is not supported"
            raise DecodeError(msg, remedy="write it as timestamp-micros")
        if _MICROSECONDS[unit] > 1:
            scales[field] = _MICROSECONDS[unit]
    return _parsed(text), scales


def _units(schema: Any) -> dict[str, str | None]:
    """The logical type of each field, None where it has none."""
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    return {
        field["name"]: field["type"].get("logicalType") if isinstance(field["type"], dict) else None
        for field in fields
    }


def _without(schema: Any, keys: set[str]) -> Any:
    if isinstance(schema, dict):
        return {key: _without(value, keys) for key, value in schema.items() if key not in keys}
    if isinstance(schema, list):
        return [_without(value, keys) for value in schema]
    return schema
