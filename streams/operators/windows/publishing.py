"""From windows to results."""

import numpy as np

from penstock.operator import Result
from schemas import WindowStatistics
from streams.operators.windows import cells
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
    known = pool.windows.take(windows)
    names = [partition.names[stream] for stream in known["stream"].tolist()]
    keys = list(zip(names, known["start"].tolist(), windows, strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    windows, known = [windows[i] for i in order], known.take(order)
    found, widths = cells_of(pool, windows)
    ends = np.cumsum(widths)
    present = (found["count"] > 0) | (found["bad"] > 0) | (found["covered"] > 0)
    counts, figures = cells.results(found.compress(present), pool.size)
    bounds = np.append(0, np.cumsum(present))[np.append(0, ends)].tolist()
    sides = np.append(0, ends).tolist()
    watermarks = partition.streams["watermark"][known["stream"]].tolist()
    facts = zip(
        windows, *(known[name].tolist() for name in ("stream", "start", "revision")), watermarks,
        strict=True,
    )  # fmt: skip
    results, revised = [], []
    for i, (window, stream, start, former, watermark) in enumerate(facts):
        low, high = bounds[i], bounds[i + 1]
        if low == high and not former:
            continue
        revised.append(window)
        tags = partition.tags[stream]
        if high - low < len(tags):
            shown = np.flatnonzero(present[sides[i] : sides[i + 1]]).tolist()
            tags = [tags[local] for local in shown]
        asset, source = partition.names[stream]
        record = WindowStatistics(
            asset=asset,
            source=source,
            window_start=start,
            window_size=pool.size,
            watermark=watermark,
            revision=former + 1,
            tags=tuple(tags),
            counts=counts[:, low:high],
            figures=figures[:, low:high],
        )
        results.append(Result(asset, record))
    pool.revised(revised)
    return results
