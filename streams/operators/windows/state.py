"""How windowed operators save their state: rows of bytes with names in their keys.

A row is one line of JSON, then NumPy columns as raw little-endian bytes. There are `meta`,
`s/<out_of_order>/<asset>/<source>`, `w/<size>/<start>/<asset>/<source>` and, of its clock,
`c/<asset>/<source>`.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from streams.operators.windows.cells import CELL
from streams.operators.windows.clocks import Clocks
from streams.operators.windows.core import Windows
from streams.operators.windows.parameters import WindowParameters
from streams.operators.windows.partition import Partition
from streams.operators.windows.pool import Saved, WindowPool
from streams.operators.windows.samples import Samples, joined

_STREAM: Final = "s"
_WINDOW: Final = "w"
_CLOCK: Final = "c"
"""Kinds of rows, with which their keys begin."""
_HELD: Final = np.dtype([("time", "<i8"), ("value", "<f8"), ("until", "<i8")])
_SAMPLE: Final = np.dtype([("local", "<i8"), ("time", "<i8"), ("value", "<f8"), ("good", "?")])


@lru_cache(maxsize=1 << 14)
def _name_key(name: tuple[str, str]) -> str:
    """An (asset, source) as the end of a row's key.

    >>> _name_key(("acme/bremen/press07", "press_plc"))
    'acme%2Fbremen%2Fpress07/press_plc'
    """
    return "/".join(quote(part, safe="") for part in name)


@lru_cache(maxsize=1 << 14)
def _name_of(key: str) -> tuple[str, str]:
    """The inverse of `_name_key`.

    Raises:
        ValueError: It is none.
    """
    asset, source = map(unquote, key.split("/"))
    if _name_key((asset, source)) != key:
        raise ValueError(key)
    return asset, source


def _pack(head: Any, *columns: NDArray[Any]) -> bytes:
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([text, b"\n", *(column.tobytes() for column in columns)])


def _unpack(row: bytes) -> tuple[Any, memoryview]:
    end = row.index(b"\n")
    return json.loads(row[:end]), memoryview(row)[end + 1 :]


def from_format_1(
    rows: Mapping[str, bytes], out_of_order: int
) -> tuple[dict[str, bytes], set[str]]:
    """Rows of format 1 in today's, and the keys that are no more.

    All its sizes had the same `out_of_order`, so the streams' rows did not name it.
    """
    former = {key for key in rows if key.startswith(f"{_STREAM}/")}
    renamed = {
        f"{_STREAM}/{out_of_order}/{key.removeprefix(f'{_STREAM}/')}": rows[key] for key in former
    }
    return {key: row for key, row in rows.items() if key not in former} | renamed, former


def save(windows: Windows) -> dict[str, bytes | None]:
    """The rows of all that changed since the last call; None: no longer there."""
    partition = windows.partition
    rows: dict[str, bytes | None] = {}
    for size, pool in windows.pools.items():
        for stream, start in pool.dropped:
            rows[_window_key(partition, stream, size, start)] = None
        pool.dropped.clear()
        for window in pool.take_changed():
            rows.update([_window_row(partition, pool, window)])
    changed = np.flatnonzero(partition.streams["changed"]).tolist()
    partition.streams["changed"] = False
    owner = partition.series["stream"][windows.pending.series]
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], [changed, [stream + 1 for stream in changed]])
    for stream, low, high in zip(changed, *bounds.tolist(), strict=True):
        waiting = windows.pending.take(order[low:high])
        rows[_stream_key(windows, stream)] = _pack_stream(partition, stream, waiting)
    return rows


def copy_stream(windows: Windows, stream: int) -> Windows:
    """One stream and its open windows by themselves, as stream 0."""
    partition = windows.partition
    waiting = windows.pending_of(stream)
    rows = {_stream_key(windows, stream): _pack_stream(partition, stream, waiting)}
    for pool in windows.pools.values():
        rows.update(_window_row(partition, pool, window) for window in pool.open_of(stream))
    (copy,) = load_all(windows.parameters, rows)
    return copy


def load_all(parameters: WindowParameters, rows: Mapping[str, bytes]) -> tuple[Windows, ...]:
    """The windows that these rows were saved from, those of each `out_of_order` by themselves.

    Raises:
        StateError: A row is damaged, or of a kind or window size that is not known.
    """
    groups = tuple(Windows(one) for one in parameters.by_lateness())
    by_lateness = {str(one.parameters.out_of_order): one for one in groups}
    by_size = {str(size): one for one in groups for size in one.pools}
    waiting: dict[Windows, list[Samples]] = {one: [] for one in groups}
    saved: dict[WindowPool, list[Saved]] = {
        pool: [] for one in groups for pool in one.pools.values()
    }
    for key in sorted(rows):  # Streams ("s/") come before their windows ("w/").
        try:
            kind, number, *_ = key.split("/")
            if kind == _STREAM:
                windows = by_lateness[number]
                waiting[windows].append(_unpack_stream(windows.partition, key, rows[key]))
            else:
                windows = by_size[number]
                saved[windows.pools[int(number)]].append(_unpack_window(windows, key, rows[key]))
        except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
            msg = "this row of state is damaged or of another operator"
            raise StateError(msg, where=key, remedy="reset the processor") from error
    for pool, found in saved.items():
        pool.load(found)
    for windows, samples in waiting.items():
        windows.pending = joined(samples)
    return groups


def is_clock(key: str) -> bool:
    """Whether a row is of a clock, for `load_clocks`; those of `load_all` are not."""
    return key.startswith(f"{_CLOCK}/")


def save_clocks(clocks: Clocks, partition: Partition) -> dict[str, bytes]:
    """The rows of the clocks that changed since the last call."""
    rows = {}
    for stream in clocks.take_changed():
        clock = clocks.rows[stream]
        head = [int(clock["since"]), int(clock["set_aside"]), int(clock["runaway"])]
        rows[f"{_CLOCK}/{_name_key(partition.names[stream])}"] = _pack(head)
    return rows


def load_clocks(partition: Partition, rows: Mapping[str, bytes]) -> Clocks:
    """The inverse of `save_clocks`.

    Raises:
        StateError: A row is damaged.
    """
    clocks = Clocks()
    for key, row in rows.items():
        try:
            name = _name_of(key.removeprefix(f"{_CLOCK}/"))
            (since, set_aside, runaway), _ = _unpack(row)
            clocks.load(partition.stream_id(name), since, set_aside, bool(runaway))
        except (ValueError, TypeError, OverflowError) as error:
            msg = "this row of state is damaged"
            raise StateError(msg, where=key, remedy="reset the processor") from error
    return clocks


def _stream_key(windows: Windows, stream: int) -> str:
    name = _name_key(windows.partition.names[stream])
    return f"{_STREAM}/{windows.parameters.out_of_order}/{name}"


def _pack_stream(partition: Partition, stream: int, waiting: Samples) -> bytes:
    """The row of a stream: watermark, series, samples that wait to be folded."""
    known = partition.streams[stream]
    columns = np.empty(len(waiting), _SAMPLE)
    columns["local"] = partition.series["local"][waiting.series]
    columns["time"], columns["value"] = waiting.time, waiting.value
    columns["good"] = waiting.good
    head = [int(known["watermark"]), int(known["last"]), partition.tags[stream]]
    series = partition.series[partition.members[stream]]
    held = np.empty(len(series), _HELD)
    for name in _HELD.names or ():
        held[name] = series[name]
    return _pack(head, held, columns)


def _unpack_stream(partition: Partition, key: str, row: bytes) -> Samples:
    name = _name_of(key.split("/", 2)[2])
    (watermark, last, tags), body = _unpack(row)
    if len(set(tags)) < len(tags):
        raise ValueError(tags)
    stream = partition.stream_id(name)
    series = partition.series_ids(name, tags)
    split = len(series) * _HELD.itemsize
    held, waiting = np.frombuffer(body[:split], _HELD), np.frombuffer(body[split:], _SAMPLE)
    for column in _HELD.names or ():
        partition.series[column][series] = held[column]
    partition.streams["watermark"][stream], partition.streams["last"][stream] = watermark, last
    columns = (waiting[column].copy() for column in ("time", "value", "good"))
    return Samples(series[waiting["local"]], *columns)


def _window_key(partition: Partition, stream: int, size: int, start: int) -> str:
    return f"{_WINDOW}/{size}/{start}/{_name_key(partition.names[stream])}"


def _window_row(partition: Partition, pool: WindowPool, window: int) -> tuple[str, bytes]:
    """`w/<size>/<start>/<asset>/<source>`: revision, whether it is closed, cells by series."""
    known = pool.windows[window]
    key = _window_key(partition, int(known["stream"]), pool.size, int(known["start"]))
    return key, _pack([int(known["revision"]), int(known["closed"])], pool.cells_of(window))


def _unpack_window(windows: Windows, key: str, row: bytes) -> Saved:
    kind, _, start, name = key.split("/", 3)
    if kind != _WINDOW:
        raise KeyError(kind)
    (revision, closed), cells = _unpack(row)
    begin = int(np.int64(int(start)))
    count = int(np.int64(revision)) if type(revision) is int else -1
    if str(begin) != start or count < 0 or len(cells) % CELL.itemsize:
        raise ValueError(key)
    stream = windows.partition.stream_id(_name_of(name))
    return Saved(stream, begin, count, bool(closed), cells)
