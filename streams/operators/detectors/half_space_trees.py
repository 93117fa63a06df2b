"""The detector `half-space-trees`: those of river, online relatives of an isolation forest.

Each tree halves the space of the features again and again at random places; normal rows fill some
cells, strange ones fall where few ever were (Tan, Ting and Liu, IJCAI 2011). Features are put on a
scale of 0 to 1 so that the warm-up's mean is in the middle and five of its standard deviations are
at either end. Of the share of mass where a row falls, -ln is taken, less its mean over the warm-up,
in its standard deviations; where that is positive, the score is its square. It tells of no
directions: contributions are the shares of the tags' squared standardised deviations.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field
from river.anomaly import HalfSpaceTrees

from penstock.detector import Detector, DetectorSettings, Floats, Found

_ENDS: Final = 5.0
"""Standard deviations from the middle to either end of the scale."""
_LEAST_MASS: Final = 1e-6
_LEAST_SPREAD: Final = 1e-6
_SEED: Final = 1


class HalfSpaceTreesSettings(DetectorSettings):
    """Parameters of the detector `half-space-trees`."""

    trees: int = Field(25, ge=1, le=500, description="Number of trees.")
    height: int = Field(6, ge=1, le=12, description="How often a tree halves the space.")
    window: int = Field(250, ge=10, description="Learned rows after which the newest ones count.")


class HalfSpaceTreesDetector(Detector):
    """Half-space trees; the module's docstring says what they compute."""

    Settings: ClassVar[type[DetectorSettings]] = HalfSpaceTreesSettings

    def __init__(self, settings: Any, memory: int) -> None:
        super().__init__(settings, memory)
        self._mean, self._scale = np.zeros(0), np.zeros(0)
        self._usual, self._spread = 0.0, 1.0
        self._trees = self._planted()

    def _planted(self) -> HalfSpaceTrees:
        """Trees that have learned nothing; of the same seed and tags always the same."""
        width = len(self._mean)
        return HalfSpaceTrees(
            n_trees=self.settings.trees,
            height=self.settings.height,
            window_size=self.settings.window,
            limits={place: (0.0, 1.0) for place in range(width)},
            seed=_SEED,
        )

    def fit(self, rows: Floats) -> None:
        """Learn from warm-up rows, over and over until a window is full."""
        self._mean, self._scale = rows.mean(axis=0), rows.std(axis=0)
        self._trees = self._planted()
        for number in range(max(len(rows), self.settings.window)):
            self._trees.learn_one(self._scaled(rows[number % len(rows)]))
        rarity = np.array([self._rarity(row) for row in rows])
        self._usual, self._spread = float(rarity.mean()), max(float(rarity.std()), _LEAST_SPREAD)

    def score(self, row: Floats) -> Found:
        """The square of how much rarer a row is than usual."""
        above = max(0.0, (self._rarity(row) - self._usual) / self._spread)
        away = np.where(np.isfinite(row), (row - self._mean) / self._scale, 0.0) ** 2
        total = away.sum()
        share = away / total if total > 0 else away
        return Found(above * above, {"rarity": above}, share)

    def _rarity(self, row: Floats) -> float:
        """-ln of the share of mass where a row falls."""
        mass = 1 - self._trees.score_one(self._scaled(row))
        return -math.log(max(mass, _LEAST_MASS))

    def learn(self, rows: Floats) -> None:
        """Take rows in; after `window` of them they replace those before."""
        for row in rows:
            self._trees.learn_one(self._scaled(row))

    def _scaled(self, row: Floats) -> dict[int, float]:
        """Tags that have a value, on a scale of 0 to 1."""
        scaled = (0.5 + (row - self._mean) / (2 * _ENDS * self._scale)).clip(0, 1)
        places = np.flatnonzero(np.isfinite(scaled)).tolist()
        return {place: float(scaled[place]) for place in places}

    def arrays(self) -> Mapping[str, Floats]:
        """Scale, masses of all nodes, and how full the present window is."""
        nodes = [node for tree in self._trees.trees for node in tree.iter_dfs()]
        return {
            "mean": self._mean,
            "scale": self._scale,
            "masses": np.array([(node.l_mass, node.r_mass) for node in nodes], np.float64),
            "usual": np.array([self._usual, self._spread]),
            "learned": np.array([self._trees.counter, self._trees._first_window], np.float64),
        }

    def load(self, arrays: Mapping[str, Floats]) -> None:
        """Plant the same trees again and give them their masses."""
        self._mean, self._scale = arrays["mean"].copy(), arrays["scale"].copy()
        self._usual, self._spread = arrays["usual"].tolist()
        self._trees = self._planted()
        if not len(self._mean):
            return
        self._trees.learn_one(dict.fromkeys(range(len(self._mean)), 0.5))
        nodes = [node for tree in self._trees.trees for node in tree.iter_dfs()]
        for node, (left, right) in zip(nodes, arrays["masses"].tolist(), strict=True):
            node.l_mass, node.r_mass = int(left), int(right)
        counter, first = arrays["learned"].tolist()
        self._trees.counter, self._trees._first_window = int(counter), bool(first)
