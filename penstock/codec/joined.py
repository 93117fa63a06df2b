"""Reads the same field of many messages at once, where they lie joined one after another.

A cursor never raises: what it cannot read it marks as not fine, for `penstock.codec.avro_read` to
read by itself, or to say what is wrong with it. That is whatever is broken, and of what Avro allows
integers of more than 56 bits and arrays in several blocks or with their size.

Positions only grow, and each message is read to its very end, so none is read into another.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_PAD: Final = bytes(16)
_WORD: Final = 8
_STOPS: Final = np.uint64(0x8080_8080_8080_8080)
_FOLDS: Final = tuple(
    (np.uint64(low), np.uint64(high), np.uint64(shift))
    for low, high, shift in (
        (0x007F_007F_007F_007F, 0x7F00_7F00_7F00_7F00, 1),
        (0x0000_3FFF_0000_3FFF, 0x3FFF_0000_3FFF_0000, 2),
        (0x0000_0000_0FFF_FFFF, 0x0FFF_FFFF_0000_0000, 4),
    )
)
"""Closes the gaps that the stop bits leave: first between bytes, then between pairs and fours."""
_ONE: Final = np.uint64(1)


class Blocks(NamedTuple):
    """An array of each message (R): where its entries begin, and how many there are."""

    first: NDArray[np.int64]
    length: NDArray[np.int64]

    def where(self, fine: NDArray[np.bool_]) -> "Blocks":
        """Those of some messages; the others' are empty."""
        return Blocks(self.first, self.length * fine)


class Joined:
    """Messages one after another.

    Attributes:
        data: All bytes, and some more.
        first: (R) where each message begins.
        end: (R) and where it ends.
    """

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.data = b"".join([*messages, _PAD])
        self.end = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        self.first = np.concatenate(([0], self.end[:-1])) if len(messages) else self.end
        self.bytes = np.frombuffer(self.data, np.uint8)
        self.words: NDArray[np.uint64] = self._at_every_byte(np.dtype("<u8"))

    def entries(self, blocks: Blocks, dtype: Any) -> NDArray[Any]:
        """All arrays' entries, of a fixed size, one after another."""
        first, length = blocks
        if not len(first) or not length.any():
            return np.zeros(0, dtype)
        kind = np.dtype(dtype)
        if (length == length[0]).all():
            whole = np.dtype((np.void, int(length[0]) * kind.itemsize))
            return self._at_every_byte(whole)[first].view(kind)
        ends = first + length * kind.itemsize
        pieces = zip(first.tolist(), ends.tolist(), strict=True)
        data = self.data
        return np.frombuffer(b"".join([data[begin:end] for begin, end in pieces]), kind)

    def big_endian(self, at: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The four bytes from each position on, as a number."""
        numbers: NDArray[np.uint32] = self._at_every_byte(np.dtype(">u4"))[at]
        return numbers

    def _at_every_byte(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        length = max(len(self.data) - dtype.itemsize + 1, 0)
        return np.ndarray((length,), dtype, self.data, strides=(1,))


class Cursor:
    """A position in each of many messages, moved on field by field.

    Attributes:
        at: (R) where the next field begins.
        fine: (R) whether all fields so far could be read.
    """

    def __init__(self, joined: Joined, at: NDArray[np.int64]) -> None:
        self.fine = np.ones(len(at), np.bool_)
        self._joined = joined
        self._limit = len(joined.data) - _WORD
        """Beyond the end of every message, so that who stops here is not fine in the end."""
        self.at = np.minimum(at, self._limit)

    def move(self, by: NDArray[Any] | int) -> None:
        """Skip bytes."""
        self.at = np.minimum(self.at + by, self._limit)

    def varints(self) -> NDArray[np.int64]:
        """Unsigned varints; Avro's `long` before its zigzag is undone."""
        first = self._joined.bytes[self.at]
        if first.max(initial=0) < 128:  # noqa: PLR2004 - a byte each
            self.move(1)
            return first.astype(np.int64)
        word = self._joined.words[self.at]
        stop = ~word & _STOPS
        self.fine &= stop != 0
        stop &= ~stop + _ONE  # the lowest one
        word &= (stop << _ONE) - _ONE
        for low, high, shift in _FOLDS:
            word = (word & low) | ((word & high) >> shift)
        self.move((np.bitwise_count(stop - _ONE).astype(np.int64) + 1) >> 3)
        return word.view(np.int64)

    def longs(self) -> NDArray[np.int64]:
        """Avro's `int` or `long`."""
        value = self.varints()
        longs: NDArray[np.int64] = (value >> 1) ^ -(value & 1)
        return longs

    def lengths(self) -> NDArray[np.int64]:
        """Bytes of a string, or entries of an array's first block."""
        value = self.varints()
        self.fine &= (value & 1) == 0
        lengths: NDArray[np.int64] = np.minimum(value >> 1, self._limit)
        return lengths

    def string(self) -> None:
        """Skip a string."""
        self.move(self.lengths())

    def array(self, width: int) -> Blocks:
        """Skip an array whose entries have `width` bytes each."""
        length = self.lengths()
        first = self.at
        self.move(length * width)
        self._terminate(length > 0)
        return Blocks(first, length)

    def _terminate(self, there: NDArray[np.bool_]) -> None:
        """The zero after an array's only block; an empty array has no block."""
        self.fine &= ~there | (self._joined.bytes[self.at] == 0)
        self.move(there)


def ranges(first: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of ranges, one after another.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before: NDArray[np.int64] = np.cumsum(length) - length
    return np.repeat(first - before, length) + np.arange(int(length.sum()))
