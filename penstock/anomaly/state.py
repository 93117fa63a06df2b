"""A monitor as rows of bytes: one line of JSON, then arrays as little-endian doubles.

There are `s`, which changes with every row; `d`, what the detector has learned; and the rows that
wait to be learned in chunks, `w/<n>` of the warm-up and `b/<n>` of the present block.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.anomaly.monitor import Monitor
from penstock.detector import Floats


def pack(head: Any, arrays: Mapping[str, Floats]) -> bytes:
    """A row of state."""
    shapes = {name: array.shape for name, array in arrays.items()}
    text = json.dumps([head, shapes], separators=(",", ":")).encode()
    columns = [np.ascontiguousarray(array, "<f8").tobytes() for array in arrays.values()]
    return b"".join([text, b"\n", *columns])


def unpack(row: bytes) -> tuple[Any, dict[str, Floats]]:
    """The inverse of `pack`.

    Raises:
        ValueError: The row is damaged.
    """
    end = row.index(b"\n")
    head, shapes = json.loads(row[:end])
    place, arrays = end + 1, {}
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(row, "<f8", count, place).reshape(shape).copy()
        place += 8 * count
    if place != len(row):
        msg = "bytes are left over"
        raise ValueError(msg)
    return head, arrays


class Keeper:
    """Saves a monitor row by row, and loads it.

    Args:
        monitor: It.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._saved = 0

    def changes(self) -> dict[str, bytes | None]:
        """The rows that changed since the last call; None: no longer there."""
        monitor = self._monitor
        runs = monitor.runs
        arrays = {
            "columns": monitor.columns,
            "constant": monitor.constant,
            "reference": monitor.reference,
            "last": runs.last,
            "run": runs.run,
            "longest": runs.longest,
            "moved": runs.moved,
            **monitor.features.arrays(),
            **monitor.calibration.arrays(),
        }
        head = [monitor.full, monitor.learned, monitor.alarm.dump()]
        rows: dict[str, bytes | None] = {"s": pack(head, arrays)}
        if monitor.learned != self._saved:
            rows["d"] = pack(None, monitor.detector.arrays())
            self._saved = monitor.learned
        for prefix, lessons in (("w", monitor.warm_up), ("b", monitor.block)):
            for number, chunk in lessons.changes().items():
                row = None if chunk is None else pack(None, {"rows": chunk})
                rows[f"{prefix}/{number}"] = row
        return rows

    def load(self, rows: Mapping[str, bytes]) -> None:
        """Make a new monitor the one whose `changes`, merged in order, are these rows.

        Raises:
            ValueError: A row is damaged.
            KeyError: One is missing.
        """
        monitor = self._monitor
        (monitor.full, monitor.learned, alarm), arrays = unpack(rows["s"])
        monitor.alarm.load(alarm)
        monitor.columns = arrays["columns"].astype(np.int64)
        monitor.constant = arrays["constant"] > 0
        monitor.reference = arrays["reference"]
        runs = monitor.runs
        runs.last, runs.run, runs.longest = arrays["last"], arrays["run"], arrays["longest"]
        runs.moved = arrays["moved"] > 0
        monitor.features.load(arrays)
        monitor.calibration.load(arrays)
        if monitor.learned:
            monitor.detector.load(unpack(rows["d"])[1])
        self._saved = monitor.learned
        for prefix, lessons in (("w", monitor.warm_up), ("b", monitor.block)):
            lessons.load(_chunks(rows, prefix))


def _chunks(rows: Mapping[str, bytes], prefix: str) -> dict[int, Floats]:
    return {
        int(key.partition("/")[2]): unpack(row)[1]["rows"]
        for key, row in rows.items()
        if key.startswith(f"{prefix}/")
    }
