"""Which streams are idle by the wall clock, and what their windows hold as far as is known."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from penstock.operator import Result
from streams.operators.windows import state
from streams.operators.windows.core import Windows
from streams.operators.windows.parameters import NEVER
from streams.operators.windows.partition import grown
from streams.operators.windows.samples import NO_SAMPLES


class Idleness:
    """Remembers when streams were last heard, by the times at which it is asked.

    It is not saved: after a restart every stream counts as heard when first asked.
    """

    def __init__(self) -> None:
        self._heard = np.zeros(0, np.int64)
        self._shown = np.zeros(0, np.int64)
        self._idle = np.zeros(0, np.bool_)
        self._count = 0

    def since(self, windows: Windows) -> dict[int, int]:
        """When each stream that is idle was last heard, by the times at which `due` was asked."""
        heard = windows.partition.streams["heard"][: len(self._idle)]
        idle = np.flatnonzero(self._idle & ~heard)
        return dict(zip(idle.tolist(), self._heard[idle].tolist(), strict=True))

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
        idle = self._idle = time - self._heard[:count] >= parameters.hold
        frontier = time - parameters.out_of_order - parameters.hold
        known_until = streams["watermark"] + parameters.out_of_order + parameters.hold
        due = np.zeros(count, np.bool_)
        for pool in windows.pools.values():
            shown = self._shown[:count] // pool.step * pool.step
            due |= (frontier // pool.step * pool.step > shown) & (shown < known_until)
        for stream in np.flatnonzero(idle & due & (streams["watermark"] != NEVER)).tolist():
            yield stream, int(self._shown[stream]), frontier
            self._shown[stream] = frontier


def show_idle(windows: Windows, idleness: Idleness, time: int) -> list[Result]:
    """Results of idle streams' windows as if nothing more were to come; no watermark moves.

    Args:
        windows: The streams.
        idleness: Theirs.
        time: The wall clock, microseconds.
    """
    results = []
    for stream, shown, frontier in idleness.due(windows, time):
        results += _as_known(windows, stream, shown, frontier)
    return results


def _as_known(windows: Windows, stream: int, shown: int, frontier: int) -> list[Result]:
    """What a stream's windows that end in (shown, frontier] hold, were nothing more to come."""
    level = int(windows.partition.streams["watermark"][stream])
    width = len(windows.partition.tags[stream])
    one, copy = np.zeros(1, np.int64), state.copy_stream(windows, stream)
    copy.partition.streams["watermark"][0] = frontier
    with np.errstate(all="ignore"):
        copy.fold(NO_SAMPLES, one, one + level)
        found = copy.publish(one, one + frontier, {})
    results = []
    for result in found:
        record = result.record
        if record.window_start + record.window_size > shown:
            pool = windows.pools[record.window_size]
            pool.revised([pool.window(stream, record.window_start, width)])
            results.append(Result(result.key, replace(record, watermark=level)))
    return results
