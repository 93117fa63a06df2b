"""Which windows of each stream wait for the watermark to reach them, soonest first."""

from bisect import bisect_right, insort
from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.parameters import FOREVER
from streams.operators.windows.partition import grown

_START = itemgetter(0)


class Deadlines:
    """Windows that wait until the watermark is `after` microseconds past their start."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._waiting: list[list[tuple[int, int]]] = []
        """Of each stream: (start, number) of windows, by start."""
        self._next: NDArray[np.int64] = np.zeros(0, np.int64)

    def know(self, streams: int) -> None:
        """Have room for so many streams."""
        old = len(self._waiting)
        if streams > old:
            self._waiting += [[] for _ in range(streams - old)]
            self._next = grown(self._next, streams)
            self._next[old:] = FOREVER

    def add(
        self, streams: NDArray[np.int64], starts: NDArray[np.int64], numbers: Sequence[int]
    ) -> None:
        """Let windows of known streams wait."""
        for stream, start, number in zip(streams.tolist(), starts.tolist(), numbers, strict=True):
            insort(self._waiting[stream], (start, number))
        np.minimum.at(self._next, streams, starts + self._after)

    def passed(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> list[int]:
        """The windows of known streams that these watermarks have reached; they wait no more."""
        ready = np.flatnonzero(self._next[streams] <= watermark)
        found: list[int] = []
        following: list[int] = []
        for stream, level in zip(streams[ready].tolist(), watermark[ready].tolist(), strict=True):
            waiting = self._waiting[stream]
            count = bisect_right(waiting, level - self._after, key=_START)
            found += [number for _, number in waiting[:count]]
            del waiting[:count]
            following.append(waiting[0][0] + self._after if waiting else FOREVER)
        self._next[streams[ready]] = following
        return found

    def of(self, stream: int) -> list[int]:
        """The windows of a stream that wait."""
        waiting = self._waiting[stream] if stream < len(self._waiting) else []
        return [number for _, number in waiting]
