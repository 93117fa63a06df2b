"""Writes Avro's primitives and arrays; each array as one block and its terminator."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SMALL: Final = 64
"""From 0 to below this, zigzag takes one byte."""
_LONGS: Final = [bytes([2 * value]) for value in range(_SMALL)]
_TWICE: Final = bytes(2 * value % 256 for value in range(256))
_DOUBLE: Final = np.dtype("<f8")
_FEW: Final = 32
"""Up to here a loop writes varints faster than columns do."""


def long(value: int) -> bytes:
    r"""An `int` or a `long`.

    >>> long(-2), long(64)
    (b'\x03', b'\x80\x01')
    """
    if 0 <= value < _SMALL:
        return _LONGS[value]
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


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
    if not len(values):
        return b"\0"
    if values.dtype != _DOUBLE:
        values = values.astype(_DOUBLE)
    return b"%b%b\0" % (long(len(values)), values.tobytes())


def ints(values: NDArray[Any]) -> bytes:
    """An `array<int>` or `array<long>`."""
    if not len(values):
        return b"\0"
    if len(values) <= _FEW:
        block = _one_by_one(values.tolist())
    elif values.min() >= 0 and values.max() < _SMALL:
        block = (values << 1).astype(np.uint8).tobytes()
    else:
        block = _many(values.astype(np.int64))
    return b"".join((long(len(values)), block, b"\0"))


def _one_by_one(values: list[int]) -> bytes:
    if min(values) >= 0 and max(values) < _SMALL:
        return bytes(values).translate(_TWICE)
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
