"""Reads Avro's primitives and arrays where they lie: doubles as views, small integers by table.

Every function takes the body and a position in it, and gives a value and the position after it.
None reads beyond the body: an index past its end raises `IndexError`, which the caller turns into
a `DecodeError`; positions never become negative, since negative lengths are refused here.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DecodeError

_CONTINUES: Final = 128
"""Set in each byte of a varint but the last."""
_LONGEST: Final = 10
"""Bytes of the longest varint of 64 bits."""
_FEW: Final = 32
"""Up to here a loop reads varints faster than columns do."""
_DOUBLE: Final = np.dtype("<f8")
_BYTE: Final = np.dtype("u1")


def constant(values: Any, dtype: Any) -> NDArray[Any]:
    """An array that many events share, and that nobody can change."""
    array = np.asarray(values, dtype)
    array.flags.writeable = False
    return array


NO_DOUBLES: Final[NDArray[np.float64]] = constant([], np.float64)
NO_LONGS: Final[NDArray[np.int64]] = constant([], np.int64)
NO_INTS: Final[NDArray[np.int32]] = constant([], np.int32)
_ZIGZAG: Final[NDArray[np.int64]] = constant([(n >> 1) ^ -(n & 1) for n in range(128)], np.int64)


class SeveralBlocksError(Exception):
    """An array comes in several blocks, or in blocks with a size: legal, and left to fastavro."""


def cut_off() -> DecodeError:
    """The error of a body that ends too soon."""
    return DecodeError("the body ends in the middle of a field")


def _too_long() -> DecodeError:
    return DecodeError("an integer is longer than 64 bits")


def read_varint(body: bytes, position: int) -> tuple[int, int]:
    """An unsigned varint of at most 64 bits; Avro's `long` before its zigzag is undone."""
    byte = body[position]
    if byte < _CONTINUES:
        return byte, position + 1
    value, shift = byte & 127, 7
    for at in range(position + 1, position + _LONGEST):
        byte = body[at]
        value |= (byte & 127) << shift
        if byte < _CONTINUES:
            if value >> 64:
                break
            return value, at + 1
        shift += 7
    raise _too_long()


def read_long(body: bytes, position: int) -> tuple[int, int]:
    """An `int` or a `long`.

    >>> read_long(bytes([0x03]), 0), read_long(bytes([0x80, 0x01]), 0)
    ((-2, 1), (64, 2))
    """
    value, position = read_varint(body, position)
    return (value >> 1) ^ -(value & 1), position


def read_string(body: bytes, position: int) -> tuple[str, int]:
    """A `string`."""
    size, position = read_varint(body, position)
    end = position + (size >> 1)
    if size & 1:
        msg = "a string has a negative length"
        raise DecodeError(msg)
    if end > len(body):
        raise cut_off()
    try:
        return str(body[position:end], "utf-8"), end
    except UnicodeDecodeError as error:
        msg = "a string is not UTF-8"
        raise DecodeError(msg) from error


def read_strings(body: bytes, position: int) -> tuple[tuple[str, ...], int]:
    """An `array<string>` of one block."""
    count, position = read_varint(body, position)
    if not count:
        return (), position
    if count & 1:
        raise SeveralBlocksError
    strings = []
    for _ in range(count >> 1):
        string, position = read_string(body, position)
        strings.append(string)
    if body[position]:
        raise SeveralBlocksError
    return tuple(strings), position + 1


def skip_strings(body: bytes, position: int) -> int:
    """The position after an `array<string>` of one block, whose strings are not looked at."""
    count, position = read_varint(body, position)
    if not count:
        return position
    if count & 1:
        raise SeveralBlocksError
    for _ in range(count >> 1):
        size = body[position]
        if size < _CONTINUES:
            position += 1
        else:
            size, position = read_varint(body, position)
        position += size >> 1
    if body[position]:
        raise SeveralBlocksError
    return position + 1


def read_doubles(body: bytes, position: int) -> tuple[NDArray[np.float64], int]:
    """An `array<double>` of one block, as a view of the body."""
    count = body[position]
    if not count:
        return NO_DOUBLES, position + 1
    if count < _CONTINUES:
        position += 1
    else:
        count, position = read_varint(body, position)
        if not count:
            return NO_DOUBLES, position
    if count & 1:
        raise SeveralBlocksError
    end = position + 4 * count  # zigzag doubled the count
    if body[end]:  # the terminator; if it is inside the body, so is the block
        raise SeveralBlocksError
    return np.frombuffer(body, _DOUBLE, count >> 1, position), end + 1


def read_ints(body: bytes, position: int) -> tuple[NDArray[np.int64], int]:
    """An `array<int>` or `array<long>` of one block."""
    count, position = read_varint(body, position)
    if not count:
        return NO_LONGS, position
    if count & 1:
        raise SeveralBlocksError
    count >>= 1
    block = body[position : position + count]
    if block.isascii():  # one byte each
        position += count
        values = _ZIGZAG.take(np.frombuffer(block, _BYTE))
    elif count <= _FEW:
        longs = []
        for _ in range(count):
            value, position = read_long(body, position)
            longs.append(value)
        values = np.array(longs, np.int64)
    else:
        values, position = _read_many(body, position, count)
    if body[position]:
        raise SeveralBlocksError
    return values, position + 1


def _read_many(body: bytes, position: int, count: int) -> tuple[NDArray[np.int64], int]:
    """Varints, byte by byte of all of them at once."""
    length = min(len(body) - position, _LONGEST * count)
    data = np.frombuffer(body, _BYTE, length, position)
    lasts = np.flatnonzero(data < _CONTINUES)[:count]
    if len(lasts) < count:
        raise _too_long() if length < len(body) - position else cut_off()
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    lengths = lasts - firsts + 1
    longest = int(lengths.max())
    values = np.zeros(count, np.uint64)
    for index in range(min(longest, _LONGEST)):
        has = np.flatnonzero(lengths > index)
        bits = data[firsts[has] + index].astype(np.uint64) & np.uint64(127)
        values[has] |= bits << np.uint64(7 * index)
    if longest > _LONGEST or (longest == _LONGEST and bool((bits > 1).any())):
        raise _too_long()
    negative = -(values & np.uint64(1)).view(np.int64)
    return (values >> np.uint64(1)).view(np.int64) ^ negative, position + int(lasts[-1]) + 1


def to_int32(values: NDArray[np.int64]) -> NDArray[np.int32]:
    """A column of Avro's `int`.

    Raises:
        DecodeError: A value has more than 32 bits.
    """
    if not len(values):
        return NO_INTS
    narrow = values.astype(np.int32)
    if not np.array_equal(narrow, values):
        msg = "an int has more than 32 bits"
        raise DecodeError(msg)
    return narrow
