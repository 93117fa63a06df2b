"""Columns of samples, and their order: by series, then time, then arrival."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.codec.joined import ranges

_BITS: Final = 62
"""What one int64 can hold."""
_FEW: Final = 3
"""From so many samples in a row of a series on, rows of them are moved, not samples."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Accepted samples as parallel columns (N), in order of arrival unless stated otherwise."""

    series: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    """NaN for text."""
    good: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, which: NDArray[Any]) -> "Samples":
        """The samples at these places, or where a mask is true."""
        return Samples(self.series[which], self.time[which], self.value[which], self.good[which])

    def then(self, later: "Samples") -> "Samples":
        """These samples, and behind them those that arrived later."""
        return joined([self, later]) if len(self) else later

    def in_order(self, which: NDArray[np.int64] | None = None) -> "Samples":
        """All, or those at these ascending places: by series, then time, then arrival."""
        if which is None:
            order = _order(self.series, self.time)
            return self if order is None else self.take(order)
        order = _order(self.series[which], self.time[which])
        return self.take(which if order is None else which[order])


NO_SAMPLES = Samples(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64), np.zeros(0, np.bool_)
)


def joined(parts: Sequence[Samples]) -> Samples:
    """All samples, one part behind the other."""
    if not parts:
        return NO_SAMPLES
    return Samples(
        np.concatenate([one.series for one in parts]),
        np.concatenate([one.time for one in parts]),
        np.concatenate([one.value for one in parts]),
        np.concatenate([one.good for one in parts]),
    )


def _order(series: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The stable order by series, then time; None if they are in it."""
    firsts = np.flatnonzero((series[1:] != series[:-1]) | (time[1:] < time[:-1])) + 1
    firsts = np.concatenate([np.zeros(1, np.int64), firsts])
    if len(firsts) * _FEW <= len(time):
        lengths = np.diff(firsts, append=len(time))
        order = _order_of_runs(series[firsts], time[firsts], time[firsts + lengths - 1])
        if order is not None:
            ordered = bool((order[1:] > order[:-1]).all())
            return None if ordered else ranges(firsts[order], lengths[order])
    return _order_of_samples(series, time)


def _order_of_runs(
    series: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The order of stretches of samples, each of one series and in order; None if any overlap."""
    order = np.lexsort((first, series))
    series, begin, end = series[order], first[order], last[order]
    apart = (series[1:] != series[:-1]) | (begin[1:] > end[:-1])
    return order if apart.all() else None


def _order_of_samples(
    series: NDArray[np.int64], time: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    earliest, count = time.min(), len(time)
    bits = int(time.max() - earliest).bit_length()
    places = count.bit_length()
    needed = bits + int(series.max()).bit_length()
    if needed > _BITS:
        return np.lexsort((time, series))
    key = (series << bits) | (time - earliest)
    if (key[1:] >= key[:-1]).all():
        return None
    if needed + places > _BITS:
        return np.argsort(key, kind="stable")
    # No two keys are equal with the place in them, and sorting keys is much faster than places.
    key = np.sort((key << places) | np.arange(count))
    return key & ((1 << places) - 1)
