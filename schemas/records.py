"""What Python sees of the records whose columns are NumPy arrays.

Times are microseconds since 1970-01-01 UTC. N is the number of samples of an event, K of its tags.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


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


@dataclass(frozen=True, slots=True, eq=False)
class WindowStatistics:
    """Statistics of one window; `window_statistics.avsc` gives each field's meaning.

    Every array has one entry per tag (K); `version` is set by the host that publishes.
    """

    asset: str
    source: str
    window_start: int
    window_size: int
    watermark: int
    revision: int
    tags: tuple[str, ...]
    count: NDArray[np.int64]
    bad: NDArray[np.int64]
    late: NDArray[np.int64]
    mean: NDArray[np.float64]
    time_weighted_mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    coverage: NDArray[np.float64]
