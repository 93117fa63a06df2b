"""The columns of many SensorEvents at once, with all that `penstock.codec.checks` asks of them.

An event that does not pass is only marked, for `penstock.codec.sensor_event` to say what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock.codec.avro_read import (
    SeveralBlocksError,
    constant,
    read_ints,
    read_strings,
    to_int32,
)
from penstock.codec.checks import EXACT
from penstock.codec.events import spread, stretched
from penstock.codec.joined import Blocks, Cursor, Joined
from penstock.errors import DecodeError
from penstock.quality import GOOD, good_mask
from schemas import Kind

_Array = TypeVar("_Array")
_EXACT: Final = int(EXACT)
_ALL_GOOD: Final = constant([GOOD], np.int32)
_NUMBER: Final = np.arange(256)
_ODD: Final = (_NUMBER % 2 > 0) | (_NUMBER >= 128)  # noqa: PLR2004
"""Bytes that are a part of a longer varint, or a negative number."""


class _Layout(NamedTuple):
    """Where the arrays of each event (R) are."""

    counts: Blocks
    offsets: Blocks
    server_offsets: Blocks
    values: Blocks
    kinds: Blocks
    texts: dict[int, tuple[str, ...]]
    """Of the events that have any, by index."""
    quality: dict[int, NDArray[np.int32]]
    """As `texts`."""


def read_fields(
    joined: Joined, cursor: Cursor, tags: NDArray[np.int64], start: NDArray[np.int64]
) -> dict[str, Any]:
    """What of `Events` comes after `tags`; events that are not fine have no tags and no samples.

    Args:
        joined: The messages (R).
        cursor: Behind `tags`; says in the end which events are fine.
        tags: (R) how many each has.
        start: (R) microseconds.
    """
    layout = _layout(joined, cursor, tags)
    while True:
        fine = cursor.fine.copy()
        columns = _columns(joined, layout, cursor.fine, tags, start)
        if (cursor.fine == fine).all():
            return columns


def _layout(joined: Joined, cursor: Cursor, tags: NDArray[np.int64]) -> _Layout:
    counts = cursor.array(1)
    offsets, server_offsets, values = (cursor.array(8) for _ in range(3))
    texts = _each(joined, cursor, read_strings)
    kinds = cursor.array(1)
    quality = _each(joined, cursor, _read_quality)
    size, fine = values.length, cursor.fine
    fine &= cursor.at == joined.end
    fine &= counts.length == tags
    fine &= (offsets.length == size) | (offsets.length == 1)
    fine &= (server_offsets.length == size) | (server_offsets.length <= 1)
    fine &= (kinds.length == tags) | (kinds.length == 0)
    for i, codes in quality.items():
        fine[i] &= len(codes) in (1, size[i])
    return _Layout(counts, offsets, server_offsets, values, kinds, texts, quality)


def _each(
    joined: Joined, cursor: Cursor, read: Callable[[bytes, int], tuple[_Array, int]]
) -> dict[int, _Array]:
    """Arrays that few events have, and whose entries vary in length: read event by event."""
    at, found = cursor.at.copy(), {}
    some = np.flatnonzero(cursor.lengths())
    for i in some[cursor.fine[some]].tolist():
        try:
            found[i], length = read(joined.data[at[i] : joined.end[i]], 0)
        except (DecodeError, IndexError, SeveralBlocksError):
            cursor.fine[i] = False
        else:
            cursor.at[i] = at[i] + length
    return found


def _read_quality(body: bytes, position: int) -> tuple[NDArray[np.int32], int]:
    codes, end = read_ints(body, position)
    return to_int32(codes), end


def _columns(
    joined: Joined,
    layout: _Layout,
    fine: NDArray[np.bool_],
    tags: NDArray[np.int64],
    start: NDArray[np.int64],
) -> dict[str, Any]:
    """The columns if no more events are marked here; else of no use."""
    before = fine.copy()
    tags, size = tags * fine, layout.values.length * fine
    count = _counts(joined, layout.counts.where(fine), size, fine)
    offsets = layout.offsets.where(fine)
    offset = _offsets(joined, offsets, fine)
    _check_server_offsets(joined, layout.server_offsets.where(fine), fine)
    value = joined.entries(layout.values.where(fine), "<f8")
    kind = _kinds(joined, layout.kinds.where(fine), tags, fine)
    good = np.isfinite(value)
    if (fine == before).all() and len(kind):
        _check_values(np.repeat(kind, count), value, size, layout.texts, fine)
    if (fine != before).any():
        return {}
    if layout.quality:
        codes = [layout.quality.get(i, _ALL_GOOD) for i in range(len(size))]
        own = [one if ok else _ALL_GOOD for one, ok in zip(codes, fine.tolist(), strict=True)]
        good &= good_mask(spread(own, size, np.int32))
    return {
        "tags": tags,
        "size": size,
        "count": count,
        "kind": kind,
        "time": stretched(offset, offsets.length, size) + np.repeat(start, size),
        "value": value,
        "good": good,
        "texts": _texts(layout.texts, fine),
    }


def _mark(fine: NDArray[np.bool_], lengths: NDArray[np.int64], wrong: NDArray[np.bool_]) -> None:
    """Mark the events, of so many entries each, that have a wrong one."""
    if wrong.any():
        fine[np.repeat(np.arange(len(lengths)), lengths)[wrong]] = False


def _counts(
    joined: Joined, blocks: Blocks, size: NDArray[np.int64], fine: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Samples of each tag; more than 63, and so two bytes, are not fine."""
    data = joined.entries(blocks, np.uint8)
    _mark(fine, blocks.length, _ODD[data])
    count = (data >> 1).astype(np.int64)
    ends = np.cumsum(blocks.length)
    sums = np.concatenate(([0], np.cumsum(count)))
    fine &= sums[ends] - sums[ends - blocks.length] == size
    return count


def _offsets(joined: Joined, blocks: Blocks, fine: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Whole microseconds below 2^53."""
    offset = joined.entries(blocks, "<f8")
    with np.errstate(invalid="ignore"):
        whole = offset.astype(np.int64)
        _mark(fine, blocks.length, (whole != offset) | (np.abs(offset) >= _EXACT))
    return whole


def _check_server_offsets(joined: Joined, blocks: Blocks, fine: NDArray[np.bool_]) -> None:
    """As `_offsets`, or NaN where a sample has none."""
    if blocks.length.any():
        offset = joined.entries(blocks, "<f8")
        with np.errstate(invalid="ignore"):
            wrong = (np.trunc(offset) != offset) | (np.abs(offset) >= _EXACT)
            _mark(fine, blocks.length, wrong & ~np.isnan(offset))


def _kinds(
    joined: Joined, blocks: Blocks, tags: NDArray[np.int64], fine: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """The kind of each tag."""
    if not blocks.length.any():
        return np.zeros(0, np.int8)
    data = joined.entries(blocks, np.uint8)
    kind = (data >> 1).view(np.int8)
    _mark(fine, blocks.length, _ODD[data] | (kind > max(Kind)))
    every = np.zeros(int(tags.sum()), np.int8)  # Kind.NUMBER where an event says nothing
    every[np.repeat(blocks.length > 0, tags)] = kind
    return every


def _check_values(
    kind: NDArray[np.int8],
    value: NDArray[np.float64],
    size: NDArray[np.int64],
    texts: Mapping[int, Sequence[str]],
    fine: NDArray[np.bool_],
) -> None:
    """A boolean is 0, 1 or NaN; the value of a text tag points to one of its event's texts."""
    truth = (value == 0) | (value == 1) | np.isnan(value)
    wrong = (kind == Kind.BOOLEAN) & ~truth
    is_text = kind == Kind.TEXT
    if is_text.any():
        there = np.zeros(len(size), np.int64)
        there[list(texts)] = [len(own) for own in texts.values()]
        points = (value >= 0) & (value < np.repeat(there, size)) & (np.trunc(value) == value)
        wrong |= is_text & ~points
    _mark(fine, size, wrong)


def _texts(
    texts: Mapping[int, tuple[str, ...]], fine: NDArray[np.bool_]
) -> tuple[tuple[str, ...], ...]:
    """Each event's; none where none has any."""
    if not texts:
        return ()
    return tuple(texts.get(i, ()) if ok else () for i, ok in enumerate(fine.tolist()))
