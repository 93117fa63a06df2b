"""Reads signals over time from a CSV or Parquet file; faults are named with line and remedy."""

import csv
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.decimals import Decimals
from penstock.errors import HistoryError
from penstock.history.cells import WANTED, absent, is_number, label, microseconds, number

_TIMES: Final = ("time", "timestamp", "datetime", "date", "ts")
_SENSIBLE: Final = (631_152_000_000_000, 4_102_444_800_000_000)
"""Microseconds of 1990 and 2100; numbers outside are mostly counters, or milliseconds."""
_Columns = dict[str, list[Any]]
LABELS: Final = frozenset({"anomaly", "changepoint", "label", "labels", "is_anomaly"})
"""Names of columns that say what a person thinks of a row; they are never signals."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file (N rows, D signals).

    Args:
        path: Where it was.
        times: (N) microseconds since 1970-01-01 UTC; a time without a zone is UTC.
        tags: Names of the signals.
        values: (N, D); NaN where a cell is empty.
        labels: (N) what the column of labels says; None: there is none.
        left: Columns that were left out because they hold no numbers.
        unfit: Cells of the signals that say something, but no finite number: inf, NaN, n/a.
    """

    path: Path
    times: NDArray[np.int64]
    tags: tuple[str, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.bool_] | None
    left: tuple[str, ...] = ()
    unfit: int = 0

    def remarks(self) -> list[str]:
        """What a person would want to know of the reading, a line each."""
        found = [f"{self.path}: column {name!r} is ignored: no numbers" for name in self.left]
        if back := int((np.diff(self.times) < 0).sum()):
            what = "is 1 row" if back == 1 else f"are {back} rows"
            found.append(f"{self.path}: there {what} earlier than the one before, and all are "
                         "taken as they stand: was the clock set back, or is it to be sorted by "
                         "time? What is replayed may come too late for its windows")  # fmt: skip
        if self.unfit:
            found.append(f"{self.path}: {self.unfit} cells of inf, NaN or the like are no samples")
        return found


def read_table(
    path: Path,
    *,
    time: str | None = None,
    labels: str | None = None,
    ignored: Sequence[str] = (),
) -> Table:
    """Read a file; the delimiter of a CSV file is found.

    Numbers of a CSV file may have a decimal comma: see `penstock.decimals`.

    Args:
        path: CSV, or Parquet by its ending.
        time: The column of times; None: the one that is called so, or the first.
        labels: The column of labels: true where it is another whole number than 0; true, yes, false
            and no are read, too.
        ignored: Columns that are no signals.

    Raises:
        HistoryError: It cannot be read, or makes no sense; line and remedy are named.
    """
    try:
        if path.suffix in (".parquet", ".pq"):
            columns, lines = _parquet(path)
        else:
            columns, lines = _csv(path, {*ignored, *filter(None, (time, labels))})
    except UnicodeDecodeError as error:
        msg, remedy = "it is no text in UTF-8", "save it as 'CSV UTF-8'"
        raise HistoryError(msg, where=str(path), remedy=remedy) from error
    except (OSError, pa.ArrowException, csv.Error) as error:
        msg = f"it cannot be read: {error}"
        raise HistoryError(msg, where=str(path), remedy="give a CSV or Parquet file") from error
    reading = _Reading(path, columns, lines)
    named, time = time, time or _time_column(path, columns)
    for name in (time, labels, *ignored):
        if name is not None and name not in columns:
            msg = f"there is no column {name!r}"
            known = ", ".join(columns)
            raise HistoryError(msg, where=str(path), remedy=f"its columns: {known}")
    signals = [n for n in columns if n not in {time, labels, *ignored} and n.lower() not in LABELS]
    tags = tuple(name for name in signals if reading.numeric(name))
    if not tags:
        msg = "no column holds numbers"
        raise HistoryError(msg, where=str(path), remedy="give a file with signals as columns")
    values = np.array([reading.column(tag, number) for tag in tags], np.float64).T
    empty = sum(cell is None or cell == "" for tag in tags for cell in columns[tag])
    return Table(
        path=path,
        times=reading.times(time, sure=named is not None),
        tags=tags,
        values=values,
        labels=None if labels is None else np.array(reading.column(labels, label), np.bool_),
        left=tuple(name for name in signals if name not in tags),
        unfit=int(np.isnan(values).sum()) - empty,
    )


class _Reading:
    """The columns of a file, and where their cells stand."""

    def __init__(self, path: Path, columns: _Columns, lines: Sequence[int]) -> None:
        self._path, self._columns, self._lines = path, columns, lines

    def numeric(self, name: str) -> bool:
        """Whether the first cell that is not empty is a number; a column of none is none."""
        cells = (cell for cell in self._columns[name] if not absent(cell))
        try:
            first = next(cells, None)
            return not (first is None or isinstance(first, bool) or number(first) is None)
        except (ValueError, TypeError):  # text, or of Parquet a date or list
            return False

    def times(self, name: str, *, sure: bool) -> NDArray[np.int64]:
        """The column of times; numbers in it must be likely ones, unless a person named it."""
        found = self.column(name, microseconds)
        for cell, time in zip(self._columns[name], found, strict=True):
            if not (sure or _SENSIBLE[0] <= time < _SENSIBLE[1]) and is_number(cell):
                msg = f"column {name!r} is taken for the times, but {cell} is no second since 1970"
                remedy = "name the column of times with --time, or write 2020-03-09 10:14:33"
                raise HistoryError(msg, where=str(self._path), remedy=remedy)
        return np.array(found, np.int64)

    def column(self, name: str, convert: Callable[[Any], Any]) -> list[Any]:
        """A column's cells, converted."""
        found = []
        for line, cell in zip(self._lines, self._columns[name], strict=True):
            try:
                found.append(convert(cell))
            except (ValueError, TypeError, OverflowError) as error:
                where = f"{self._path}, line {line}, column {name!r}"
                what, remedy = WANTED[convert]
                msg = f"{cell!r} is no {what}"
                raise HistoryError(msg, where=where, remedy=remedy) from error
        return found


def _csv(path: Path, alone: Collection[str]) -> tuple[_Columns, list[int]]:
    """The columns, and the line of each row."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        if not header.strip():
            msg = "it is empty"
            raise HistoryError(msg, where=str(path), remedy="give a file with a line of names")
        delimiter = max(";,\t", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter))
        names = [name.strip() for name in names]
        if len(names) != len(set(names)):
            twice = next(name for name in names if names.count(name) > 1)
            msg = f"column {twice!r} is there twice"
            raise HistoryError(msg, where=f"{path}, line 1", remedy="name one of them otherwise")
        columns: _Columns = {name: [] for name in names}
        lines: list[int] = []
        reader = csv.reader(file, delimiter=delimiter)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                msg = f"{len(cells)} cells, the first line names {len(names)} columns"
                where = f"{path}, line {reader.line_num + 1}"
                raise HistoryError(msg, where=where, remedy="complete the line or remove it")
            lines.append(reader.line_num + 1)
            for name, cell in zip(names, cells, strict=True):
                columns[name].append(cell.strip())
    return _with_rows(path, _with_points(path, columns, lines, alone)), lines


def _with_points(
    path: Path, columns: _Columns, lines: Sequence[int], alone: Collection[str]
) -> _Columns:
    """The columns, with a decimal point in those of numbers.

    Times, labels and what is ignored (`alone`) may be written otherwise than the signals.

    Raises:
        HistoryError: A number may mean something else.
    """
    decimals = Decimals()
    written = dict(columns)
    apart = {*alone, *(name for name in columns if name.lower() in {*_TIMES, *LABELS})}
    if not any("," in cell for cells in columns.values() for cell in cells):
        return written
    for name, cells in columns.items():
        first = next((cell for cell in cells if not absent(cell)), "")
        if is_number(first.replace(",", ".")):
            rows = zip(lines, cells, strict=True)
            reading = Decimals() if name in apart else decimals
            written[name] = [reading.read(cell, line, name) for line, cell in rows]
    for fault in decimals.faults():
        where = f"{path}, line {fault.line}, column {fault.column!r}"
        remedy = f"{fault.remedy}, or --ignore the column"
        raise HistoryError(fault.message, where=where, remedy=remedy)
    return written


def _parquet(path: Path) -> tuple[_Columns, Sequence[int]]:
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return _with_rows(path, columns), range(1, len(table) + 1)


def _with_rows(path: Path, columns: _Columns) -> _Columns:
    if not any(columns.values()):
        msg = "it has no rows"
        raise HistoryError(msg, where=str(path), remedy="give a file with rows")
    return columns


def _time_column(path: Path, columns: _Columns) -> str:
    """The column that is called so, or else the first one if it begins with a time.

    Raises:
        HistoryError: There is none.
    """
    named = [name for known in _TIMES for name in columns if name.lower() == known]
    if named:
        return named[0]
    name, cells = next(iter(columns.items()))
    cell = next((cell for cell in cells if not absent(cell)), "")
    try:
        found = _SENSIBLE[0] <= microseconds(cell) < _SENSIBLE[1]
    except (ValueError, TypeError, OverflowError, AttributeError):
        found = False
    if not found:
        msg = (
            f"no column of times was found: none is called {', '.join(_TIMES)},"
            f" and the first one, {name!r}, begins with {cell!r}"
        )
        remedy = "name it with --time; a time is 2020-03-09 10:14:33, or seconds since 1970"
        raise HistoryError(msg, where=str(path), remedy=remedy)
    return name
