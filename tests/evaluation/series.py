"""Real series from CSV files, as the numbers that a device would show and the lake should hold."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LABELS = {"anomaly", "changepoint"}
"""Columns that say what a person thinks of a row; no device has them."""


@dataclass(frozen=True)
class Series:
    """Rows of one file, in its order; several may have one time, and time may go back.

    Args:
        tags: Names of the columns.
        times: (rows) microseconds since 1970-01-01; a file's times, which name no zone, are UTC.
        values: (rows, tags).
    """

    tags: tuple[str, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)

    @property
    def samples(self) -> int:
        return self.values.size


def read_series(path: Path, rows: int | None = None) -> Series:
    """Read a file whose first column is the time; `rows` of it where given."""
    with path.open(newline="", encoding="utf-8") as file:
        header = file.readline()
        delimiter = ";" if ";" in header else ","
        names = header.strip().split(delimiter)
        lines = list(csv.reader(file, delimiter=delimiter))[:rows]
    columns = [at for at, name in enumerate(names) if at and name not in LABELS]
    return Series(
        tags=tuple(names[at] for at in columns),
        times=np.array([_microseconds(line[0]) for line in lines], np.int64),
        values=np.array([[float(line[at]) for at in columns] for line in lines], np.float64),
    )


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def sorted_bits(
    times: Sequence[int] | NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(samples, 2) times and the values' bits in one order, to compare what has equal times, too.

    What is not the same to the last bit differs: -0.0 is not 0.0 here.
    """
    pairs = np.column_stack(
        [np.asarray(times, np.int64), np.ascontiguousarray(values).view(np.int64)]
    )
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
