"""Rows that wait to be learned, in chunks, so that saving them costs what is new only."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from penstock.detector import Floats

CHUNK: Final = 50
"""Rows."""


class Lessons:
    """Rows of one asset, in order; a later row may have more tags than an earlier one."""

    def __init__(self) -> None:
        self._chunks: list[list[Floats]] = []
        self._changed: set[int] = set()
        self._saved = 0

    def __len__(self) -> int:
        return sum(map(len, self._chunks))

    def add(self, row: Floats) -> None:
        """Take a row (D)."""
        if not self._chunks or len(self._chunks[-1]) == CHUNK:
            self._chunks.append([])
        self._chunks[-1].append(row)
        self._changed.add(len(self._chunks) - 1)

    def rows(self) -> Floats:
        """All rows (N, D); NaN where a row has no such tag."""
        return _stacked([row for chunk in self._chunks for row in chunk])

    def clear(self, first: int | None = None) -> None:
        """Forget the `first` chunks; None: all."""
        self._chunks = [] if first is None else self._chunks[first:]
        self._changed = set(range(len(self._chunks)))

    def changes(self) -> dict[str, Floats | None]:
        """The chunks that changed since the last call, by number; None: no longer there."""
        found: dict[str, Floats | None] = {
            str(number): _stacked(self._chunks[number]) for number in sorted(self._changed)
        }
        found |= {str(number): None for number in range(len(self._chunks), self._saved)}
        self._changed, self._saved = set(), len(self._chunks)
        return found

    def load(self, chunks: Mapping[int, Floats]) -> None:
        """Become the lessons whose chunks these are."""
        self._chunks = [list(chunks[number]) for number in range(len(chunks))]
        self._changed, self._saved = set(), len(chunks)


def _stacked(rows: list[Floats]) -> Floats:
    width = max((len(row) for row in rows), default=0)
    found = np.full((len(rows), width), np.nan)
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found
