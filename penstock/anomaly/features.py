"""From a machine's signals to what is scored: freed of drift where they drift, and smoothed.

**Smoothing.** A small lasting shift is found by exponentially weighted means of the signals, not by
the signals themselves (the multivariate EWMA chart: Lowry et al., Technometrics 34, 1992).

**Drift.** Some signals have no level of their own within the time that one can learn from: a motor
that warms up, a tank. Of a signal that drifted in the warm-up, only the distance from its own
recent level is scored, an exponentially weighted mean up to the row before. It drifted if more than
half of its variance lies between blocks, of which the warm-up is cut into eight.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from penstock.detector import Floats

_BLOCKS: Final = 8
_DRIFTING: Final = 0.5


def share_between(rows: Floats, blocks: int = _BLOCKS) -> Floats:
    """Share (D) of the variance of rows (N, D) that lies between blocks of consecutive rows.

    >>> share_between(np.arange(80.0)[:, None]).round(2)
    array([0.98])
    """
    length = len(rows) // blocks
    cut = rows[: length * blocks].reshape(blocks, length, -1)
    total = cut.reshape(length * blocks, -1).var(axis=0)
    within = cut.var(axis=1).mean(axis=0)
    share = 1 - np.divide(within, total, out=np.ones_like(total), where=total > 0)
    return np.asarray(share)


class Features:
    """The features of D tags, row by row.

    Args:
        smoothing: Weight of a new row in the smoothed value.
        span: Rows over which the level of a tag that drifts is followed.
        follow: How many ranges of the warm-up it is followed beyond them.

    Attributes:
        drifts: (D) whether each tag drifts.
    """

    def __init__(self, smoothing: float, span: int, follow: float) -> None:
        self._smoothing, self._span, self._follow = smoothing, span, follow
        self._low, self._high = np.zeros(0), np.zeros(0)
        self.drifts = np.zeros(0, np.bool_)
        self._level = np.zeros(0)
        self._smooth = np.zeros(0)
        self._neutral = np.zeros(0)

    def fit(self, rows: Floats) -> Floats:
        """Decide from warm-up rows (N, D), all finite, which tags drift; gives their features.

        Those of the first rows, which depend on where smoothing began, are left out.
        """
        if not rows.shape[1]:
            return rows
        self.drifts = share_between(rows) > _DRIFTING
        self._level = rows[0].copy()
        low, high = rows.min(axis=0), rows.max(axis=0)
        far = self._follow * (high - low)
        self._low, self._high = low - far, high + far
        self._neutral = np.where(self.drifts, 0.0, rows[0])
        self._smooth = self._neutral.copy()
        found = np.array([self.step(row) for row in rows])
        settled = found[min(self._span, len(rows) // 4) :]
        self._neutral = settled.mean(axis=0)
        return settled

    def step(self, row: Floats) -> Floats:
        """The features (D) of the next row (D); NaN where the row has none.

        A tag that had no value before begins anew, as one of which nothing strange is known.
        """
        there = np.isfinite(row)
        new = there & np.isnan(self._level)
        if new.any():
            self._level[new], self._smooth[new] = row[new], self._neutral[new]
        value = np.where(self.drifts, row - self._level, row)
        smooth = self._smooth + self._smoothing * (value - self._smooth)
        level = self._level + (row - self._level) / self._span
        self._smooth = np.where(there, smooth, np.nan)
        self._level = np.where(there, level.clip(self._low, self._high), np.nan)
        return self._smooth

    def pause(self) -> None:
        """Begin anew with the next row."""
        self._level = np.full_like(self._level, np.nan)

    def arrays(self) -> Mapping[str, Floats]:
        """The state."""
        return {
            "drifts": self.drifts.astype(np.float64),
            "level": self._level,
            "smooth": self._smooth,
            "neutral": self._neutral,
            "low": self._low,
            "high": self._high,
        }

    def load(self, arrays: Mapping[str, Floats]) -> None:
        """Become the features whose `arrays` these are."""
        self.drifts = arrays["drifts"] > 0
        self._level, self._smooth = arrays["level"].copy(), arrays["smooth"].copy()
        self._neutral = arrays["neutral"].copy()
        self._low, self._high = arrays["low"].copy(), arrays["high"].copy()
