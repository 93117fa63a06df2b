"""Where the cells of windows lie: a window has as many in a row as its stream has series."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.codec.joined import ranges
from streams.operators.windows.cells import CELL, EMPTY
from streams.operators.windows.partition import grown
from streams.operators.windows.rows import put


class CellStore:
    """Hands out cells, and those that were given back again.

    Attributes:
        cells: All of them, of `CELL`; they move where there are no longer enough.
    """

    def __init__(self) -> None:
        self.cells: NDArray[Any] = np.zeros(0, CELL)
        self._used = 0
        self._free: dict[int, list[int]] = {}

    def allocate(self, widths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first of so many neighbouring empty cells, for each width."""
        bases = []
        for width in widths.tolist():
            free = self._free.get(width)
            if free:
                bases.append(free.pop())
            else:
                bases.append(self._used)
                self._used += width
        self.cells = grown(self.cells, self._used)
        first = np.array(bases, np.int64)
        put(self.cells, ranges(first, widths), EMPTY)
        return first

    def free(self, bases: NDArray[np.int64], widths: NDArray[np.int64]) -> None:
        """Take cells back: those from each base on."""
        for base, width in zip(bases.tolist(), widths.tolist(), strict=True):
            self._free.setdefault(width, []).append(base)
