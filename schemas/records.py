"""What Python sees of the records whose columns are NumPy arrays.

Times are microseconds since 1970-01-01 UTC. N is the number of samples of an event, K of its tags.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from schemas.windowed import Windowed


class Kind(IntEnum):
    """What the values of a tag are."""

    NUMBER = 0
    TEXT = 1
    BOOLEAN = 2


@dataclass(frozen=True, slots=True, eq=False)
class SensorEvent:
    """Samples of one asset from one source; `sensor_event.avsc` gives each field's meaning.

    Shapes: `counts` (K), `kinds` (K or 0), `values` (N), `offsets`, `server_offsets` and `quality`
    (N, 1 or 0; `offsets` 0 only where N is 0).
    """

    asset: str
    source: str
    session: str
    sequence: int
    start: int
    ingest: int
    tags: tuple[str, ...]
    counts: NDArray[np.int64]
    offsets: NDArray[np.float64]
    server_offsets: NDArray[np.float64]
    values: NDArray[np.float64]
    texts: tuple[str, ...]
    kinds: NDArray[np.int32]
    quality: NDArray[np.int32]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Orders the results of one window: compare epoch, then offsets, then emission."""

    epoch: int
    offsets: tuple[int, ...]
    emission: int


def _row(table: str, number: int) -> property:
    return property(lambda record: getattr(record, table)[number])


@dataclass(frozen=True, slots=True, eq=False)
class WindowStatistics(Windowed):
    """Statistics of one window; `window_statistics.avsc` gives each field's meaning.

    `counts` (3, K) and `figures` (8, K) have a row for each name of `COUNTS` and `FIGURES`, and a
    column for each tag; the rows are there by their names too. `version` is set by the host that
    publishes.
    """

    asset: str
    source: str
    window_start: int
    window_size: int
    watermark: int
    revision: int
    tags: tuple[str, ...]
    counts: NDArray[np.int64]
    figures: NDArray[np.float64]

    COUNTS: ClassVar = ("count", "bad", "late")
    FIGURES: ClassVar = (
        "mean",
        "time_weighted_mean",
        "minimum",
        "maximum",
        "standard_deviation",
        "first",
        "last",
        "coverage",
    )

    count, bad, late = (_row("counts", number) for number in range(3))
    mean, time_weighted_mean, minimum, maximum = (_row("figures", number) for number in range(4))
    standard_deviation, first, last, coverage = (_row("figures", number) for number in range(4, 8))

    @property
    def stream(self) -> tuple[str, str]:
        """The asset and source."""
        return self.asset, self.source

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end of the window, microseconds."""
        return self.window_start, self.window_start + self.window_size
