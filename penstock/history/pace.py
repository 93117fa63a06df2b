"""When the rows of a replay are due."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class Pace:
    """Lets rows through as their time comes.

    Args:
        due: (N) seconds of history until each row.
        speed: Seconds of history per second; infinity: no waiting.
        first: The row that is due now.
        clock: Seconds of any clock that never goes back.
    """

    def __init__(
        self,
        due: NDArray[np.float64],
        speed: float,
        first: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._due, self._speed, self._clock = due, speed, clock
        self._began = clock()
        self._from = float(due[first]) if first < len(due) else 0.0

    def end(self) -> int:
        """The row behind the last that is due by now."""
        if self._speed == float("inf"):
            return len(self._due)
        reached = self._from + (self._clock() - self._began) * self._speed
        return int(np.searchsorted(self._due, reached, side="right"))

    def wait(self, row: int) -> float:
        """Seconds until a row is due; 0 where it is."""
        ahead = float(self._due[row]) - self._from
        return max(0.0, ahead / self._speed - (self._clock() - self._began))
