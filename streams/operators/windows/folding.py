"""Samples in time order become partial statistics per (series, window).

A *group* is a stretch of samples of one series that lie in the same window of every size; it is
reduced once, whatever the number of sizes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.parameters import FOREVER, NEVER
from streams.operators.windows.samples import Samples


@dataclass(frozen=True, slots=True)
class Groups:
    """Partial statistics (G groups); sums are of differences from `reference`.

    `reference` is the first good value, NaN if there is none. `integral` (value × microseconds)
    and `covered` (microseconds) span from the first sample of a group to its last.
    """

    series: NDArray[np.int64]
    time: NDArray[np.int64]
    """Of the first sample, good or bad: tells the window."""
    count: NDArray[np.int64]
    bad: NDArray[np.int64]
    reference: NDArray[np.float64]
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    first_time: NDArray[np.int64]
    first: NDArray[np.float64]
    last_time: NDArray[np.int64]
    last: NDArray[np.float64]
    integral: NDArray[np.float64]
    covered: NDArray[np.int64]


def heads_of(samples: Samples, steps: tuple[int, ...]) -> NDArray[np.int64]:
    """Where the groups of ordered samples begin; windows begin every `steps`, ascending."""
    series, time = samples.series, samples.time
    border = series[1:] != series[:-1]
    for i, step in enumerate(steps):
        if any(step % smaller == 0 for smaller in steps[:i]):
            continue  # Its windows begin only where those of the smaller step begin.
        window = time // step
        border |= window[1:] != window[:-1]
    return np.concatenate([np.zeros(1, np.int64), np.flatnonzero(border) + 1])


def reduce(
    samples: Samples, heads: NDArray[np.int64], cut: NDArray[np.int64] | None = None
) -> Groups:
    """The statistics of each group of ordered samples.

    Args:
        samples: (N) in order.
        heads: Where each group begins.
        cut: (N) when each value's coverage ends by silence; None: never.
    """
    time, value, good = samples.time, samples.value, samples.good
    lengths = np.diff(heads, append=len(time))
    tails = heads + lengths - 1
    elapsed = np.diff(time, append=time[-1])
    if cut is not None:
        elapsed = np.minimum(elapsed, cut - time)
    elapsed[tails] = 0
    if good.all():
        count, first, last, low, high = lengths, heads, tails, value, value
        difference = value - np.repeat(value[heads], lengths)
    else:
        count = np.add.reduceat(good, heads, dtype=np.int64)
        place = np.arange(len(time))
        first = np.minimum.reduceat(np.where(good, place, len(time) - 1), heads)
        last = np.maximum.reduceat(np.where(good, place, 0), heads)
        low, high = np.where(good, value, np.inf), np.where(good, value, -np.inf)
        elapsed[~good] = 0
        difference = np.where(good, value - np.repeat(value[first], lengths), 0.0)
    some = count > 0
    return Groups(
        series=samples.series[heads],
        time=time[heads],
        count=count,
        bad=lengths - count,
        reference=np.where(some, value[first], np.nan),
        sum=np.add.reduceat(difference, heads),
        squares=np.add.reduceat(difference * difference, heads),
        minimum=np.minimum.reduceat(low, heads),
        maximum=np.maximum.reduceat(high, heads),
        first_time=np.where(some, time[first], FOREVER),
        first=value[first],
        last_time=np.where(some, time[last], NEVER),
        last=value[last],
        integral=np.add.reduceat(difference * elapsed, heads),
        covered=np.add.reduceat(elapsed, heads),
    )
