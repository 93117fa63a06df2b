"""All windows of one size: which there are, their cells, and which are due.

A window owns as many neighbouring cells as its stream has series. Windows are found by their exact
start, so one of 1970 is never taken for one of today.

Windows of a size that hops overlap. Then the cells are not the window's own but those of the *pane*
that begins with it and lasts until the next window begins; where a pane is, there are all windows
that hold it (`streams.operators.windows.panes` combines them).
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.codec.joined import ranges
from streams.operators.windows.cells import CELL
from streams.operators.windows.parameters import FOREVER, NEVER, Size
from streams.operators.windows.partition import grown
from streams.operators.windows.rows import put
from streams.operators.windows.store import CellStore

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

_Place = tuple[int, int]
"""A stream and the first microsecond of a window."""

_WAYS: Final = 4
_DUE: Final = np.dtype([("close", "<i8"), ("drop", "<i8")])


class Saved(NamedTuple):
    """A window of a saved state."""

    stream: int
    start: int
    revision: int
    closed: bool
    cells: memoryview
    """`CELL` of each series."""


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
        self._store = CellStore()
        self.windows: NDArray[Any] = np.zeros(0, WINDOW)
        self.dropped: list[_Place] = []
        """(stream, start) of windows dropped since the state was saved."""
        self._index: dict[_Place, int] = {}
        self._kept: list[list[int]] = []
        self._open: list[list[tuple[int, int]]] = []
        """Of each stream (start, number) of its windows that are not closed, by start."""
        self._due: NDArray[Any] = np.zeros(0, _DUE)
        self._recent_start = np.zeros((0, _WAYS), np.int64)
        self._recent = np.zeros((0, _WAYS), np.int64)
        self._free_windows: list[int] = []

    def __len__(self) -> int:
        return len(self._index)

    @property
    def cells(self) -> NDArray[Any]:
        """All windows' cells."""
        return self._store.cells

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
        panes = list(zip(s[head].tolist(), t[head].tolist(), strict=True))
        windows = np.array(self._panes_at(panes, width))
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

    def _panes_at(self, places: list[_Place], width: NDArray[np.int64]) -> list[int]:
        """The numbers of panes; all windows that hold them are there, or made."""
        needed: Iterable[_Place] = places
        if self.step < self.size:
            needed = dict.fromkeys(
                (stream, earlier)
                for stream, start in places
                for earlier in range(start - self.size + self.step, start + 1, self.step)
            )
        missing = [place for place in needed if place not in self._index]
        if missing:
            self._make(missing, width[[stream for stream, _ in missing]])
        return [self._index[place] for place in places]

    def window(self, stream: int, start: int, width: int) -> int:
        """The number of a window, a new and empty one if it is not there."""
        if (stream, start) not in self._index:
            self._know(stream + 1)
            self._make([(stream, start)], np.array([width], np.int64))
        return self._index[stream, start]

    def _make(self, places: list[_Place], widths: NDArray[np.int64]) -> None:
        """Make new and empty windows of known streams."""
        free = self._free_windows
        again = [free.pop() for _ in range(min(len(free), len(places)))]
        behind = len(self._index) + len(again)
        numbers = [*again, *range(behind, len(self._index) + len(places))]
        self.windows = grown(self.windows, behind + len(places))
        made = np.zeros(len(places), WINDOW)
        made["stream"], made["start"] = np.array(places, np.int64).T
        made["base"], made["width"] = self._store.allocate(widths), widths
        made["changed"] = True
        put(self.windows, numbers, made)
        for (stream, start), number in zip(places, numbers, strict=True):
            self._index[stream, start] = number
            insort(self._kept[stream], start)
            insort(self._open[stream], (start, number))
        np.minimum.at(self._due["close"], made["stream"], made["start"] + self.size)
        np.minimum.at(self._due["drop"], made["stream"], made["start"] + self._age)

    def due(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> list[int]:
        """Close the windows that the watermarks of these streams have passed, oldest first."""
        self._know(int(streams.max(initial=-1)) + 1)
        ready = self._due["close"][streams] <= watermark
        found: list[int] = []
        for stream, level in zip(streams[ready].tolist(), watermark[ready].tolist(), strict=True):
            waiting = self._open[stream]
            passed = bisect_right(waiting, level - self.size, key=itemgetter(0))
            found += [number for _, number in waiting[:passed]]
            del waiting[:passed]
        self._due["close"][streams[ready]] = self._next_close(streams[ready])
        self.windows["closed"][found] = True
        return found

    def _next_close(self, streams: NDArray[np.int64]) -> list[int]:
        """When the next window of each stream closes."""
        waiting = map(self._open.__getitem__, streams.tolist())
        return [one[0][0] + self.size if one else FOREVER for one in waiting]

    def drop(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> None:
        """Forget the windows that no sample of these streams can reach any more."""
        ready = self._due["drop"][streams] <= watermark
        places: list[_Place] = []
        following: list[int] = []
        for stream, level in zip(streams[ready].tolist(), watermark[ready].tolist(), strict=True):
            kept = self._kept[stream]
            gone = bisect_right(kept, level - self._age)
            places += [(stream, start) for start in kept[:gone]]
            del kept[:gone]
            following.append(kept[0] + self._age if kept else FOREVER)
        self._due["drop"][streams[ready]] = following
        if places:
            self._forget(places)

    def open_of(self, stream: int) -> list[int]:
        """The windows of a stream that the watermark has not passed."""
        return [number for _, number in self._open[stream]] if stream < len(self._open) else []

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

    def load(self, saved: Sequence[Saved]) -> None:
        """Take saved windows back, none of which is there."""
        if not saved:
            return
        self._know(max(one.stream for one in saved) + 1)
        places = [(one.stream, one.start) for one in saved]
        widths = np.array([len(one.cells) for one in saved], np.int64) // CELL.itemsize
        self._make(places, widths)
        windows = [self._index[place] for place in places]
        cells = ranges(self.windows["base"][windows], widths)
        put(self.cells, cells, np.frombuffer(b"".join([one.cells for one in saved]), CELL))
        self.windows["revision"][windows] = [one.revision for one in saved]
        self.windows["closed"][windows] = [one.closed for one in saved]
        self.windows["changed"][windows] = False
        touched = sorted({one.stream for one in saved if one.closed})
        for stream in touched:
            waiting = self._open[stream]
            waiting[:] = [one for one in waiting if not self.windows["closed"][one[1]]]
        self._due["close"][touched] = self._next_close(np.array(touched, np.int64))

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

    def _widen(self, window: int, width: int) -> None:
        """Give a window cells for series that its stream got since it was made."""
        known, old = self.windows[[window]], self.cells_of(window).copy()
        (base,) = self._store.allocate(np.array([width], np.int64))
        self.cells[base : base + len(old)] = old
        self._store.free(known["base"], known["width"])
        self.windows["base"][window], self.windows["width"][window] = base, width

    def _forget(self, places: list[_Place]) -> None:
        """Make room for others; nothing but `_kept` knows these windows any more."""
        windows = [self._index.pop(place) for place in places]
        stream, start = np.array(places, np.int64).T
        way = (start // self.step) % _WAYS
        recent = self._recent_start[stream, way] == start
        self._recent_start[stream[recent], way[recent]] = NEVER
        known = self.windows.take(windows)
        self._store.free(known["base"], known["width"])
        self.windows["changed"][windows] = False
        self._free_windows += windows
        self.dropped += places
