"""From windows to results."""

import numpy as np

from penstock.operator import Result
from schemas import WindowStatistics
from streams.operators.windows.cells import figures
from streams.operators.windows.panes import cells_of
from streams.operators.windows.partition import Partition
from streams.operators.windows.pool import WindowPool


def publish(partition: Partition, pool: WindowPool, windows: list[int]) -> list[Result]:
    """The next revision of each of these windows, with the series that have something in them.

    By asset, source and start, so that the order does not depend on what was restored. A window
    with nothing in it has no result, unless an earlier one must be taken back.
    """
    if not windows:
        return []
    streams, starts = pool.windows["stream"], pool.windows["start"]
    windows = sorted(windows, key=lambda w: (partition.names[streams[w]], starts[w]))
    known = pool.windows[windows]
    cells, widths = cells_of(pool, windows)
    ends = np.cumsum(widths)
    present = (cells["count"] > 0) | (cells["bad"] > 0) | (cells["covered"] > 0)
    columns = figures(cells[present], pool.size)
    bounds = np.append(0, np.cumsum(present))[np.append(0, ends)].tolist()
    sides = np.append(0, ends).tolist()
    results = []
    for i, window in enumerate(windows):
        low, high = bounds[i], bounds[i + 1]
        revision = int(known["revision"][i]) + 1
        if low == high and revision == 1:
            continue
        pool.revised(window, revision)
        stream = int(known["stream"][i])
        tags = partition.tags[stream]
        if high - low < len(tags):
            shown = np.flatnonzero(present[sides[i] : sides[i + 1]]).tolist()
            tags = [tags[local] for local in shown]
        asset, source = partition.names[stream]
        record = WindowStatistics(
            asset=asset,
            source=source,
            window_start=int(known["start"][i]),
            window_size=pool.size,
            watermark=int(partition.streams["watermark"][stream]),
            revision=revision,
            tags=tuple(tags),
            **{name: column[low:high] for name, column in columns.items()},
        )
        results.append(Result(asset, record))
    return results
