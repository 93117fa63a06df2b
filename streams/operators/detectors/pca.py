"""The detector `pca`: an incremental principal component analysis with T² and Q.

Mean and covariance of the features are learned block by block; the principal components are those
of the correlation matrix that explain `variance` of it. A row's deviation from the mean is split:

- **T²** (Hotelling): how far it goes within the components, each by its own variance: the machine
  works as always, but harder or weaker than ever.
- **Q** (squared prediction error): how far it goes beside them, by the mean variance left over: the
  signals hang together in a way that they never did.

Score = T² + Q, the squared Mahalanobis distance under probabilistic PCA (Tipping and Bishop, J. R.
Statist. Soc. B 61, 1999). Contributions are the complete decomposition: with M the matrix of that
distance, tag j has (M^½ e)_j², never negative, and they add up to the score (Alcala and Qin,
Automatica 45, 2009).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field

from penstock.detector import Detector, DetectorSettings, Floats, Found

_LEAST_LEFT: Final = 0.02
"""Of a standardised tag's variance: rounding alone makes so much."""


class PcaSettings(DetectorSettings):
    """Parameters of the detector `pca`."""

    variance: float = Field(
        0.8, gt=0, lt=1, description="Share of the variance that the principal components explain."
    )


class Pca(Detector):
    """Principal component analysis; the module's docstring says what it computes.

    >>> rng = np.random.default_rng(1)
    >>> load = rng.standard_normal(500)
    >>> noise = 0.1 * rng.standard_normal((2, 500))
    >>> detector = Pca(PcaSettings(), memory=1000)
    >>> detector.fit(np.column_stack([load + noise[0], load + noise[1]]))
    >>> more = detector.score(np.array([3.0, 3.0]))    # more load than ever
    >>> apart = detector.score(np.array([1.0, -1.0]))  # signals that contradict each other
    >>> more.statistics["t2"] > more.statistics["q"], apart.statistics["q"] > 100
    (True, True)
    """

    Settings: ClassVar[type[DetectorSettings]] = PcaSettings

    def __init__(self, settings: Any, memory: int) -> None:
        super().__init__(settings, memory)
        self._mean, self._covariance = np.zeros(0), np.zeros((0, 0))
        self._scale, self._axes, self._weights = np.zeros(0), np.zeros((0, 0)), np.zeros(0)
        self._kept = 0

    def fit(self, rows: Floats) -> None:
        """Learn from warm-up rows."""
        self._mean = rows.mean(axis=0)
        self._covariance = np.atleast_2d(np.cov(rows.T))
        self._decompose()

    def score(self, row: Floats) -> Found:
        """T² + Q of a row."""
        there = np.isfinite(row)
        deviation = np.where(there, row - self._mean, 0.0) / self._scale
        along = self._axes.T @ deviation
        parts = along * along * self._weights
        t2, q = float(parts[: self._kept].sum()), float(parts[self._kept :].sum())
        root = self._axes @ (along * np.sqrt(self._weights))
        share = np.where(there, root * root, 0.0)
        total = share.sum()
        return Found(t2 + q, {"t2": t2, "q": q}, share / total if total > 0 else share)

    def learn(self, rows: Floats) -> None:
        """Forget as many rows as come, then take them in."""
        weight = min(1.0, len(rows) / self.memory)
        away = rows - self._mean
        shift = away.mean(axis=0)
        spread = away.T @ away / len(rows)
        self._mean = self._mean + weight * shift
        old = (1 - weight) * self._covariance
        self._covariance = old + weight * spread - weight**2 * np.outer(shift, shift)
        self._decompose()

    def _decompose(self) -> None:
        """Principal components of the correlation matrix, the strongest first."""
        self._scale = np.sqrt(np.diag(self._covariance).clip(np.finfo(np.float64).tiny))
        correlation = self._covariance / np.outer(self._scale, self._scale)
        values, axes = np.linalg.eigh(correlation)
        values, axes = values[::-1].clip(0), axes[:, ::-1]
        explained = np.cumsum(values) / values.sum()
        kept = int(np.searchsorted(explained, self.settings.variance)) + 1
        kept = max(1, min(kept, len(values) - 1))
        left = values[kept:].mean() if kept < len(values) else 1.0
        floor = max(float(left), _LEAST_LEFT)
        self._weights = np.full(len(values), 1 / floor)
        self._weights[:kept] = 1 / values[:kept].clip(_LEAST_LEFT)
        self._axes, self._kept = np.ascontiguousarray(axes), kept

    def arrays(self) -> Mapping[str, Floats]:
        """Mean and covariance; the components follow from them."""
        return {"mean": self._mean, "covariance": self._covariance}

    def load(self, arrays: Mapping[str, Floats]) -> None:
        """Take mean and covariance back."""
        mean, covariance = arrays["mean"], arrays["covariance"]
        if covariance.shape != (len(mean), len(mean)):
            msg = "mean and covariance do not fit each other"
            raise ValueError(msg)
        self._mean, self._covariance = mean.copy(), covariance.copy()
        self._decompose()
