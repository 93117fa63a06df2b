"""All windows of one size: which there are, their cells, and which are due.

A window owns as many neighbouring cells as its stream has series. Windows are found by their exact
start, so one of 1970 is never taken for one of today.

Windows of a size that hops overlap. Then the cells are not the window's own but those of the *pane*
that begins with it and lasts until the next window begins; where a pane is, there are all windows
that hold it (`streams.operators.windows.panes` combines them).
"""

from bisect import insort
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.cells import CELL, EMPTY
from streams.operators.windows.parameters import FOREVER, NEVER, Size
from streams.operators.windows.partition import grown
from streams.operators.windows.rows import put

WINDOW: Final = np.dtype(
    [
        ("stream", "<i8"),
        ("start", "<i8"),
        ("base", "<i8"),
        ("width", "<i8"),
        ("revision", "<i8"),
        ("closed", "?"),
        ("changed", "?"),
    ]
)
"""A window: its stream, first microsecond, cells base … base + width - 1, number of times it was
published, whether the watermark passed its end, whether it changed since its state was saved."""

_WAYS: Final = 4
_DUE: Final = np.dtype([("close", "<i8"), ("drop", "<i8")])


class WindowPool:
    """The windows of one size of all streams of a partition.

    Args:
        size: What it is.

    Attributes:
        size: Microseconds.
        step: From one window's start to the next.
        reopen_for: How long after its end a window takes late samples.
    """

    def __init__(self, size: Size) -> None:
        self.size, self.step, self.reopen_for = size.size, size.step, size.reopen_for
        self._age = self.size + (self.size - self.step) + self.reopen_for
        self.cells: NDArray[Any] = np.zeros(0, CELL)
        self.windows: NDArray[Any] = np.zeros(0, WINDOW)
        self.dropped: list[tuple[int, int]] = []
        """(stream, start) of windows dropped since the state was saved."""
        self._index: dict[tuple[int, int], int] = {}
        self._kept: list[list[int]] = []
        self._open: list[list[int]] = []
        self._due: NDArray[Any] = np.zeros(0, _DUE)
        self._recent_start = np.zeros((0, _WAYS), np.int64)
        self._recent = np.zeros((0, _WAYS), np.int64)
        self._used = 0
        self._free_cells: dict[int, list[int]] = {}
        self._free_windows: list[int] = []

    def __len__(self) -> int:
        return len(self._index)

    def rows(
        self,
        stream: NDArray[np.int64],
        start: NDArray[np.int64],
        local: NDArray[np.int64],
        width: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The windows and cells of series; windows that are not there are made.

        Args:
            stream: (M) the stream of each.
            start: (M) first microsecond of the window.
            local: (M) place of the series in its stream.
            width: Of every stream: its number of series.
        """
        self._know(len(width))
        way = (start // self.step) % _WAYS
        found = self._recent[stream, way]
        missing = np.flatnonzero(self._recent_start[stream, way] != start)
        if len(missing):
            found[missing] = self._look_up(stream[missing], start[missing], width)
        narrow = local >= self.windows["width"][found]
        if narrow.any():
            for window in np.unique(found[narrow]).tolist():
                self._widen(window, int(width[self.windows["stream"][window]]))
        self.windows["changed"][found] = True
        return found, self.windows["base"][found] + local

    def _look_up(
        self, stream: NDArray[np.int64], start: NDArray[np.int64], width: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Windows by dictionary, once for each distinct one."""
        order = np.lexsort((start, stream))
        s, t = stream[order], start[order]
        head = np.append(True, (s[1:] != s[:-1]) | (t[1:] != t[:-1]))
        windows = np.array(
            [
                self._pane(one, at, int(width[one]))
                for one, at in zip(s[head].tolist(), t[head].tolist(), strict=True)
            ]
        )
        way = (t[head] // self.step) % _WAYS
        self._recent_start[s[head], way], self._recent[s[head], way] = t[head], windows
        found = np.empty(len(order), np.int64)
        found[order] = windows[np.cumsum(head) - 1]
        return found

    def takes(self, time: NDArray[np.int64], watermark: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether windows of these times still take samples that come behind this watermark.

        All windows that overlap there take it as long as the last of them does.
        """
        begin = time // self.step * self.step
        return begin + self.size + self.reopen_for > watermark

    def holding(self, panes: NDArray[np.int64]) -> list[int]:
        """The windows that hold any of these panes."""
        found: dict[int, None] = {}
        for pane in np.unique(panes).tolist():
            stream, last = int(self.windows["stream"][pane]), int(self.windows["start"][pane])
            for start in range(last - self.size + self.step, last + 1, self.step):
                found[self._index[stream, start]] = None
        return list(found)

    def panes(self, window: int) -> list[int]:
        """The panes of a window that are there, in order of time."""
        stream, first = int(self.windows["stream"][window]), int(self.windows["start"][window])
        starts = range(first, first + self.size, self.step)
        return [self._index[stream, at] for at in starts if (stream, at) in self._index]

    def _pane(self, stream: int, start: int, width: int) -> int:
        """The number of a pane; all windows that hold it are there, or made."""
        for earlier in range(start - self.size + self.step, start, self.step):
            self.window(stream, earlier, width)
        return self.window(stream, start, width)

    def window(self, stream: int, start: int, width: int) -> int:
        """The number of a window, a new and empty one if it is not there."""
        known = self._index.get((stream, start))
        if known is not None:
            return known
        self._know(stream + 1)
        window = self._free_windows.pop() if self._free_windows else len(self._index)
        self.windows = grown(self.windows, window + 1)
        base = self._allocate(width)
        self.windows[window] = (stream, start, base, width, 0, False, True)
        self._index[stream, start] = window
        insort(self._kept[stream], start)
        self._open[stream].append(window)
        due, end = self._due, start + self.size
        due["close"][stream] = min(due["close"][stream], end)
        due["drop"][stream] = min(due["drop"][stream], start + self._age)
        return window

    def due(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> list[int]:
        """Close the windows that the watermarks of these streams have passed, oldest first."""
        self._know(int(streams.max(initial=-1)) + 1)
        ready = self._due["close"][streams] <= watermark
        found: list[int] = []
        for stream, level in zip(streams[ready].tolist(), watermark[ready].tolist(), strict=True):
            ends = {w: int(self.windows["start"][w]) + self.size for w in self._open[stream]}
            passed = sorted((w for w in ends if ends[w] <= level), key=ends.__getitem__)
            self._open[stream] = [w for w in ends if ends[w] > level]
            self._due["close"][stream] = min(
                map(ends.__getitem__, self._open[stream]), default=FOREVER
            )
            found += passed
        self.windows["closed"][found] = True
        return found

    def drop(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> None:
        """Forget the windows that no sample of these streams can reach any more."""
        ready = self._due["drop"][streams] <= watermark
        for stream, level in zip(streams[ready].tolist(), watermark[ready].tolist(), strict=True):
            kept = self._kept[stream]
            gone = next((i for i, start in enumerate(kept) if start + self._age > level), len(kept))
            for start in kept[:gone]:
                self._forget(stream, start)
            del kept[:gone]
            self._due["drop"][stream] = kept[0] + self._age if kept else FOREVER

    def open_of(self, stream: int) -> list[int]:
        """The windows of a stream that the watermark has not passed."""
        return self._open[stream] if stream < len(self._open) else []

    def cells_of(self, window: int) -> NDArray[Any]:
        """The cells of a window, as a view."""
        base = int(self.windows["base"][window])
        return self.cells[base : base + int(self.windows["width"][window])]

    def revised(self, windows: list[int]) -> None:
        """Note that the next revision of each of these windows was published."""
        self.windows["revision"][windows] += 1
        self.windows["changed"][windows] = True

    def all_changed(self) -> None:
        """Have all windows saved anew."""
        self.windows["changed"][list(self._index.values())] = True

    def take_changed(self) -> list[int]:
        """The windows that changed since the last call."""
        changed: list[int] = np.flatnonzero(self.windows["changed"]).tolist()
        self.windows["changed"][changed] = False
        return changed

    def load(
        self, stream: int, start: int, revision: int, closed: bool, cells: NDArray[Any]
    ) -> None:
        """Take a saved window back."""
        window = self.window(stream, start, len(cells))
        self.cells_of(window)[:] = cells
        self.windows["revision"][window], self.windows["closed"][window] = revision, closed
        self.windows["changed"][window] = False
        if closed:
            self._open[stream].remove(window)
            left = [int(self.windows["start"][w]) + self.size for w in self._open[stream]]
            self._due["close"][stream] = min(left, default=FOREVER)

    def _know(self, streams: int) -> None:
        """Have room for so many streams."""
        more = streams - len(self._kept)
        if more <= 0:
            return
        self._kept += [[] for _ in range(more)]
        self._open += [[] for _ in range(more)]
        old = len(self._due)
        self._due = grown(self._due, streams)
        self._due[old:] = (FOREVER, FOREVER)
        self._recent, self._recent_start = (
            grown(self._recent, streams),
            grown(self._recent_start, streams),
        )
        self._recent_start[old:] = NEVER

    def _allocate(self, width: int) -> int:
        free = self._free_cells.get(width)
        base = free.pop() if free else self._used
        if base == self._used:
            self._used += width
            self.cells = grown(self.cells, self._used)
        put(self.cells, slice(base, base + width), EMPTY)
        return base

    def _widen(self, window: int, width: int) -> None:
        """Give a window cells for series that its stream got since it was made."""
        old = self.cells_of(window).copy()
        self._free_cells.setdefault(len(old), []).append(int(self.windows["base"][window]))
        base = self._allocate(width)
        self.cells[base : base + len(old)] = old
        self.windows["base"][window], self.windows["width"][window] = base, width

    def _forget(self, stream: int, start: int) -> None:
        window = self._index.pop((stream, start))
        way = (start // self.step) % _WAYS
        if self._recent_start[stream, way] == start:
            self._recent_start[stream, way] = NEVER
        base, width = self.windows["base"][window], self.windows["width"][window]
        self._free_cells.setdefault(int(width), []).append(int(base))
        self.windows["changed"][window] = False
        self._free_windows.append(window)
        self.dropped.append((stream, start))
