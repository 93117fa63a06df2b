"""The contract of a detector: how unlike its own normal behaviour an asset is.

A detector sees *features*: rows of one number per tag, smoothed and freed of drift by
`penstock.anomaly`. It learns what is normal from warm-up rows, gives each later row a score before
it may learn it, and says which tags the score is due to. Whether a row is learned, what a score
means as a p-value, and when an alarm is raised is decided in `penstock.anomaly.monitor`, alike for
all detectors. It has no clock and no I/O. Found by entry point, in the group `penstock.detectors`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from penstock.settings.model import Model

Floats = NDArray[Any]
"""Of float64."""


class DetectorSettings(Model):
    """A detector's own parameters, all with defaults; a detector's `Settings` adds its own."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector says of one row (D tags).

    Args:
        score: 0 or greater, greater is stranger.
        statistics: Figures that the score is made of, by name.
        contributions: (D) share of the score that is due to each tag; 0 or greater, their sum 1,
            or all 0 where the score is.
    """

    score: float
    statistics: Mapping[str, float]
    contributions: Floats


class Detector(ABC):
    """Learns what is normal of D tags, and scores rows of their features.

    Args:
        settings: An instance of `Settings`.
        memory: How many learned rows count: older ones are forgotten.
    """

    Settings: ClassVar[type[DetectorSettings]] = DetectorSettings

    def __init__(self, settings: Any, memory: int) -> None:
        self.settings = settings
        self.memory = memory

    @abstractmethod
    def fit(self, rows: Floats) -> None:
        """Learn what is normal from warm-up rows (N, D), forgetting all else; none is constant."""

    @abstractmethod
    def score(self, row: Floats) -> Found:
        """Score a row (D); NaN where a tag has no value, which then adds nothing. Changes nothing.

        There is at least one value.
        """

    @abstractmethod
    def learn(self, rows: Floats) -> None:
        """Take normal rows (N, D), all finite, into what is normal."""

    @abstractmethod
    def arrays(self) -> Mapping[str, Floats]:
        """What it has learned, as arrays by name; with the settings, all of its state."""

    @abstractmethod
    def load(self, arrays: Mapping[str, Floats]) -> None:
        """Become the detector whose `arrays` these are.

        Raises:
            KeyError: One is missing.
            ValueError: Shapes do not fit each other.
        """
