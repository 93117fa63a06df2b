"""Windows that overlap are made of panes: stretches of `every`, each held once.

The windows that hold a pane begin at it and at the panes before it. A window's cells are its panes'
cells, combined when it is published.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.codec.joined import ranges
from streams.operators.windows.cells import EMPTY, combine
from streams.operators.windows.pool import WindowPool


def cells_of(pool: WindowPool, windows: list[int]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The cells of windows one after another, and how many each has."""
    if pool.step == pool.size:
        known = pool.windows.take(windows)
        return pool.cells.take(ranges(known["base"], known["width"])), known["width"]
    panes = [(i, pane) for i, window in enumerate(windows) for pane in pool.panes(window)]
    owner, pane = (np.array(column, np.int64) for column in zip(*panes, strict=True))
    known = pool.windows.take(pane)
    widths = np.zeros(len(windows), np.int64)
    np.maximum.at(widths, owner, known["width"])
    base = np.cumsum(widths) - widths
    cells = EMPTY.repeat(int(widths.sum()))
    parts = pool.cells.take(ranges(known["base"], known["width"]))
    combine(cells, ranges(base[owner], known["width"]), parts)
    return cells, widths
