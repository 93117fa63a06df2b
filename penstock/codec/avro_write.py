"""Writes Avro's primitives and arrays; each array as one block and its terminator."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SMALL: Final = 64
"""From 0 to below this, zigzag takes one byte."""
_DOUBLE: Final = np.dtype("<f8")
_FEW: Final = 32
"""Up to here a loop writes varints faster than columns do."""


def _varint(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_LONGS: Final = [_varint(value) for value in range(_SMALL << 7)]
"""Of up to two bytes."""


def long(value: int) -> bytes:
    r"""An `int` or a `long`.

    >>> long(-2), long(64)
    (b'\x03', b'\x80\x01')
    """
    return _LONGS[value] if 0 <= value < len(_LONGS) else _varint(value)


def string(text: str) -> bytes:
    """A `string`."""
    data = text.encode()
    return long(len(data)) + data


def strings(texts: Sequence[str]) -> bytes:
    """An `array<string>`."""
    if not texts:
        return b"\0"
    return b"".join((long(len(texts)), *map(string, texts), b"\0"))


def doubles(values: NDArray[np.float64]) -> bytes:
    """An `array<double>`."""
    return double_rows(values[np.newaxis])


def double_rows(table: NDArray[np.float64]) -> bytes:
    """An `array<double>` of each row, one after another."""
    rows, length = table.shape
    if not length:
        return bytes(rows)
    count, size, data = long(length), 8 * length, table.astype(_DOUBLE, copy=False).tobytes()
    return b"".join([count + data[at : at + size] + b"\0" for at in range(0, len(data), size)])


def ints(values: NDArray[Any]) -> bytes:
    """An `array<int>` or `array<long>`."""
    return long(len(values)) + _block(values) + b"\0" if len(values) else b"\0"


def int_rows(table: NDArray[Any]) -> bytes:
    """An `array<int>` or `array<long>` of each row, one after another."""
    length = table.shape[1]
    if not length or length > _FEW:
        return b"".join(map(ints, table))
    count = long(length)
    return b"".join([count + _few(row) + b"\0" for row in table.tolist()])


def _block(values: NDArray[Any]) -> bytes:
    if len(values) > _FEW:
        if values.min() >= 0 and values.max() < _SMALL:
            return (values << 1).astype(np.uint8).tobytes()
        return _many(values.astype(np.int64))
    return _few(values.tolist())


def _few(values: Sequence[int]) -> bytes:
    if not any(values):
        return bytes(len(values))
    if min(values) >= 0 and max(values) < len(_LONGS):
        return b"".join([_LONGS[value] for value in values])
    return b"".join(map(long, values))


def _many(values: NDArray[np.int64]) -> bytes:
    """Varints, byte by byte of all of them at once."""
    rest = ((values << 1) ^ (values >> 63)).view(np.uint64)
    columns, needed = [], []
    more = np.ones(len(rest), np.bool_)
    while more.any():
        needed.append(more)
        following = rest >> np.uint64(7)
        more = following > 0
        columns.append(
            (rest & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << np.uint8(7))
        )
        rest = following
    return np.column_stack(columns)[np.column_stack(needed)].tobytes()
