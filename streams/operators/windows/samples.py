"""Columns of samples, and their order: by series, then time, then arrival."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        if not len(self):
            return later
        return Samples(
            np.concatenate([self.series, later.series]),
            np.concatenate([self.time, later.time]),
            np.concatenate([self.value, later.value]),
            np.concatenate([self.good, later.good]),
        )

    def in_order(self) -> "Samples":
        """By series, then time, then arrival."""
        order = _order(self.series, self.time)
        return self if order is None else self.take(order)


NO_SAMPLES = Samples(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64), np.zeros(0, np.bool_)
)


def _order(series: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The stable order by series, then time; None if they are in it."""
    earliest = time.min()
    bits = int(time.max() - earliest).bit_length()
    if bits + int(series.max()).bit_length() > 62:  # noqa: PLR2004 - what one int64 can hold
        return np.lexsort((time, series))
    key = (series << bits) | (time - earliest)
    if (key[1:] >= key[:-1]).all():
        return None
    return np.argsort(key, kind="stable")
