"""From scores to p-values: the share of an asset's normal rows that score at least as much.

A score that is a sum of squares is distributed about as a multiple of χ² whose degrees of freedom
follow from mean and variance (Box, Ann. Math. Statist. 25, 1954). What is normal was estimated from
few independent rows, since smoothed rows hang together: n rows of an exponentially weighted mean of
weight λ tell as much as n·λ/(2-λ) independent ones. So the ratio of a new score to their mean is
about F-distributed, whose long tail carries the doubt about what is normal.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy.special import fdtrc

from penstock.detector import Floats

_LEAST: Final = 8.0
"""Degrees of freedom that any warm-up gives."""
_TINY: Final = 1e-12


class Calibration:
    """Mean and variance of an asset's normal scores.

    Args:
        smoothing: Weight of a row in the moving means that were scored.
        memory: How many scores count.
    """

    def __init__(self, smoothing: float, memory: int) -> None:
        self._smoothing, self._memory = smoothing, memory
        self._mean, self._variance, self._rows = 1.0, 1.0, _LEAST

    def fit(self, scores: Floats) -> None:
        """Take the scores (N) of warm-up rows."""
        self._mean, self._variance = float(scores.mean()), float(scores.var())
        self._rows = max(_LEAST, len(scores) * self._smoothing / (2 - self._smoothing))

    def p_value(self, score: float) -> float:
        """The p-value of a score."""
        mean = max(self._mean, _TINY)
        freedom = max(0.1, 2 * mean * mean / max(self._variance, _TINY))
        return float(fdtrc(freedom, self._rows, score / mean))

    def learn(self, score: float) -> None:
        """Take the score of a normal row."""
        self._mean += (score - self._mean) / self._memory
        self._variance += ((score - self._mean) ** 2 - self._variance) / self._memory

    def arrays(self) -> Mapping[str, Floats]:
        """The state."""
        return {"calibration": np.array([self._mean, self._variance, self._rows])}

    def load(self, arrays: Mapping[str, Floats]) -> None:
        """Become the calibration whose `arrays` these are."""
        self._mean, self._variance, self._rows = arrays["calibration"].tolist()
