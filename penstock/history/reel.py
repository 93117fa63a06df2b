"""What a replay shows: rows of files, one after another, and when each is due."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.connector import Sample
from penstock.errors import HistoryError
from penstock.history.table import Table, read_table

_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Reel:
    """Rows of files (N in all), numbered through.

    Args:
        assets: Of each file: whose signals they are.
        tables: The files, in the order in which they are shown.
        fingerprint: Of what is in the files and whose it is; a changed cell changes it.
    """

    assets: tuple[str, ...]
    tables: tuple[Table, ...]
    fingerprint: str

    def __len__(self) -> int:
        return int(self._ends[-1])

    def below(self, site: str) -> "Reel":
        """The same with the assets' full paths, below a site's."""
        return replace(self, assets=tuple(f"{site}/{asset}" for asset in self.assets))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([len(table.times) for table in self.tables])

    @cached_property
    def _begins(self) -> NDArray[np.int64]:
        return self._ends - np.array([len(table.times) for table in self.tables], np.int64)

    @cached_property
    def due(self) -> NDArray[np.float64]:
        """(N) seconds of history from the first row until each row; each file takes its own time.

        Where a file's clock goes back, the rows follow at once.
        """
        steps = [
            np.clip(np.diff(table.times, prepend=table.times[:1]), 0, None) for table in self.tables
        ]
        return np.asarray(np.cumsum(np.concatenate(steps)) / 1e6, np.float64)

    def row(self, number: int) -> tuple[int, int]:
        """Of a row: which file, and which row of that."""
        file = int(np.searchsorted(self._ends, number, side="right"))
        return file, number - (int(self._ends[file - 1]) if file else 0)

    def samples(self, first: int, end: int) -> Iterator[Sample]:
        """The samples of rows; an empty cell is none."""
        for number in range(first, end):
            file, at = self.row(number)
            table, asset = self.tables[file], self.assets[file]
            time = int(table.times[at])
            for tag, value in zip(table.tags, table.values[at].tolist(), strict=True):
                if not math.isnan(value):
                    yield Sample(asset, tag, value, time)

    def next_row(self, asset: str, row: int) -> int:
        """The first row of an asset from `row` on; where there is none, its last."""
        last = -1
        for begin, end, whose in zip(self._begins, self._ends, self.assets, strict=True):
            if whose == asset and end > row:
                return max(int(begin), row)
            last = int(end) - 1 if whose == asset else last
        return last

    def next_samples(self, row: int) -> Iterator[Sample]:
        """The first sample of each tag from `row` on; where there is none, its last."""
        found: dict[tuple[str, str], int] = {}
        for begin, asset, table in zip(self._begins, self.assets, self.tables, strict=True):
            for at, tag in enumerate(table.tags):
                rows = np.flatnonzero(~np.isnan(table.values[:, at])) + begin
                if len(rows) and found.get((asset, tag), -1) < row:
                    place = min(int(np.searchsorted(rows, row)), len(rows) - 1)
                    found[asset, tag] = int(rows[place])
        for (asset, tag), number in found.items():
            yield from (
                sample
                for sample in self.samples(number, number + 1)
                if (sample.asset, sample.tag) == (asset, tag)
            )


def read_reel(
    files: Sequence[Path],
    asset: str | None = None,
    *,
    time: str | None = None,
    ignored: Sequence[str] = (),
) -> Reel:
    """Read files to replay.

    Args:
        files: CSV or Parquet; each is checked as a whole.
        asset: Whose signals they are; None: each file's of an asset named as the file.
        time: The column of times; None: found by its name.
        ignored: Columns that are no signals.

    Raises:
        HistoryError: A file cannot be read, or makes no sense; line and remedy are named.
    """
    tables = tuple(read_table(file, time=time, ignored=ignored) for file in files)
    assets = tuple(asset or _UNFIT.sub("_", file.stem) for file in files)
    seen = hashlib.sha256(repr([assets, [table.tags for table in tables]]).encode())
    for file in files:
        _add(seen, file)
    return Reel(assets, tables, seen.hexdigest())


def _add(seen: "hashlib._Hash", file: Path) -> None:
    try:
        with file.open("rb") as content:
            while block := content.read(_BLOCK):
                seen.update(block)
    except OSError as error:
        msg = f"it cannot be read: {error}"
        raise HistoryError(msg, where=str(file)) from error
