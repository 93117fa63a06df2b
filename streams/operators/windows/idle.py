"""Which streams are idle by the wall clock, and up to when their windows are due all the same."""

from collections.abc import Iterator

import numpy as np

from streams.operators.windows.core import Windows
from streams.operators.windows.parameters import NEVER
from streams.operators.windows.partition import grown


class Idleness:
    """Remembers when streams were last heard, by the times at which it is asked.

    It is not saved: after a restart every stream counts as heard when first asked.
    """

    def __init__(self) -> None:
        self._heard = np.zeros(0, np.int64)
        self._shown = np.zeros(0, np.int64)
        self._count = 0

    def due(self, windows: Windows, time: int) -> Iterator[tuple[int, int, int]]:
        """Idle streams with windows to show that ended since those that were shown.

        Args:
            windows: The streams.
            time: The wall clock, microseconds.

        Yields:
            The stream, and the times after and until which its windows end.
        """
        parameters, count = windows.parameters, len(windows.partition)
        streams = windows.partition.streams[:count]
        new = np.arange(count) >= self._count
        self._heard, self._shown = grown(self._heard, count), grown(self._shown, count)
        self._count, heard = count, np.flatnonzero(streams["heard"] | new)
        self._heard[heard], self._shown[heard] = time, streams["watermark"][heard]
        streams["heard"] = False
        idle = time - self._heard[:count] >= parameters.hold
        frontier = time - parameters.out_of_order - parameters.hold
        known_until = streams["watermark"] + parameters.out_of_order + parameters.hold
        due = np.zeros(count, np.bool_)
        for size in windows.pools:
            shown = self._shown[:count] // size * size
            due |= (frontier // size * size > shown) & (shown < known_until)
        for stream in np.flatnonzero(idle & due & (streams["watermark"] != NEVER)).tolist():
            yield stream, int(self._shown[stream]), frontier
            self._shown[stream] = frontier
