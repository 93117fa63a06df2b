"""For how long values are held between groups of samples, and which windows that covers.

A *span* is the time for which a value is held between two groups, or from the last sample before
this update to the first of it. The time between samples of a group is in the group's own integral.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.parameters import FOREVER
from streams.operators.windows.partition import SERIES
from streams.operators.windows.samples import Samples
from streams.operators.windows.silence import Silence


@dataclass(frozen=True, slots=True)
class Spans:
    """Values held from `begin` until before `end`, microseconds; empty where end <= begin."""

    series: NDArray[np.int64]
    value: NDArray[np.float64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def then(self, others: "Spans") -> "Spans":
        """These spans and others."""
        return Spans(
            np.concatenate([self.series, others.series]),
            np.concatenate([self.value, others.value]),
            np.concatenate([self.begin, others.begin]),
            np.concatenate([self.end, others.end]),
        )


_NONE: Final = np.zeros(0, np.int64)
NO_SPANS: Final = Spans(_NONE, np.zeros(0), _NONE, _NONE)


def pieces(held: Spans, border: NDArray[np.int64], size: int) -> Spans:
    """The spans from `border` on, cut where windows begin; empty ones are left out."""
    begin = np.maximum(held.begin, border)
    some = np.flatnonzero(held.end > begin)
    begin, end = begin[some], held.end[some]
    window = begin // size
    count = (end - 1) // size - window + 1
    if (count > 1).any():
        index = np.repeat(np.arange(len(some)), count)
        step = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        some, window = some[index], window[index] + step
        begin = np.maximum(begin[index], window * size)
        end = np.minimum(end[index], (window + 1) * size)
    return Spans(held.series[some], held.value[some], begin, end)


def spans(
    samples: Samples,
    heads: NDArray[np.int64],
    before: NDArray[Any],
    quiet: Silence,
) -> tuple[Spans, NDArray[np.int64], NDArray[Any]]:
    """What is held between the groups of ordered samples, and what is held after them.

    Args:
        samples: (N) in order.
        heads: Where the groups begin.
        before: `SERIES` of each series of the partition, `until` already cut by silence.
        quiet: The silences.

    Returns:
        The spans that are complete; the numbers of the series; their `SERIES` after the samples.
    """
    tails = np.append(heads[1:], len(samples)) - 1
    series = samples.series[heads]
    time, value = samples.time[tails], samples.value[tails]
    until = np.full(len(tails), FOREVER) if quiet.sample_cut is None else quiet.sample_cut[tails]
    until = np.where(samples.good[tails], until, time)
    final = np.append(series[1:] != series[:-1], True)
    opening = heads[np.append(True, final[:-1])]
    follower = np.append(samples.time[heads[1:]], FOREVER)
    ended = np.flatnonzero(~final)
    old = before.take(samples.series[opening])
    complete = Spans(
        series=np.concatenate([samples.series[opening], series[ended]]),
        value=np.concatenate([old["value"], value[ended]]),
        begin=np.concatenate([old["time"], time[ended]]),
        end=np.concatenate(
            [
                np.minimum(old["until"], samples.time[opening]),
                np.minimum(until[ended], follower[ended]),
            ]
        ),
    )
    after = np.zeros(int(final.sum()), SERIES)
    after["stream"], after["local"] = old["stream"], old["local"]
    after["time"], after["value"], after["until"] = time[final], value[final], until[final]
    return complete, series[final], after
