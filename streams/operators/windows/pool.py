"""All windows of one size: which there are, their cells, and which are due.

A window owns as many neighbouring cells as its stream has series. Windows are found by their exact
start, so one of 1970 is never taken for one of today.

Windows of a size that hops overlap. Then the cells are not the window's own but those of the *pane*
that begins with it and lasts until the next window begins; where a pane is, there are all windows
that hold it (`streams.operators.windows.panes` combines them).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.codec.joined import ranges
from streams.operators.windows.cells import CELL
from streams.operators.windows.deadlines import Deadlines
from streams.operators.windows.parameters import NEVER, Size
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
        self._store = CellStore()
        self.windows: NDArray[Any] = np.zeros(0, WINDOW)
        self.dropped: list[_Place] = []
        """(stream, start) of windows dropped since the state was saved."""
        self._index: dict[_Place, int] = {}
        self._open = Deadlines(self.size)
        self._kept = Deadlines(self.size + (self.size - self.step) + self.reopen_for)
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

    def _make(
        self,
        places: list[_Place],
        widths: NDArray[np.int64],
        closed: Sequence[bool] | None = None,
    ) -> None:
        """Make new and empty windows of known streams, all open unless it is said."""
        free = self._free_windows
        again = [free.pop() for _ in range(min(len(free), len(places)))]
        behind = len(self._index) + len(again)
        numbers = [*again, *range(behind, len(self._index) + len(places))]
        self.windows = grown(self.windows, behind + len(places))
        made = np.zeros(len(places), WINDOW)
        made["stream"], made["start"] = np.array(places, np.int64).T
        made["base"], made["width"] = self._store.allocate(widths), widths
        made["changed"], made["closed"] = True, closed or False
        put(self.windows, numbers, made)
        self._index.update(zip(places, numbers, strict=True))
        self._kept.add(made["stream"], made["start"], numbers)
        waits = np.flatnonzero(~made["closed"])
        still = made.take(waits)
        self._open.add(still["stream"], still["start"], [numbers[i] for i in waits.tolist()])

    def due(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> list[int]:
        """Close the windows that the watermarks of these streams have passed, oldest first."""
        self._know(int(streams.max(initial=-1)) + 1)
        found = self._open.passed(streams, watermark)
        self.windows["closed"][found] = True
        return found

    def drop(self, streams: NDArray[np.int64], watermark: NDArray[np.int64]) -> None:
        """Forget the windows that no sample of these streams can reach any more."""
        found = self._kept.passed(streams, watermark)
        if found:
            self._forget(found)

    def open_of(self, stream: int) -> list[int]:
        """The windows of a stream that the watermark has not passed."""
        return self._open.of(stream)

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
        self._make(places, widths, [one.closed for one in saved])
        windows = [self._index[place] for place in places]
        cells = ranges(self.windows["base"][windows], widths)
        put(self.cells, cells, np.frombuffer(b"".join([one.cells for one in saved]), CELL))
        self.windows["revision"][windows] = [one.revision for one in saved]
        self.windows["changed"][windows] = False

    def _know(self, streams: int) -> None:
        """Have room for so many streams."""
        self._open.know(streams)
        self._kept.know(streams)
        old = len(self._recent)
        if streams > old:
            self._recent = grown(self._recent, streams)
            self._recent_start = grown(self._recent_start, streams)
            self._recent_start[old:] = NEVER

    def _widen(self, window: int, width: int) -> None:
        """Give a window cells for series that its stream got since it was made."""
        known, old = self.windows[[window]], self.cells_of(window).copy()
        (base,) = self._store.allocate(np.array([width], np.int64))
        self.cells[base : base + len(old)] = old
        self._store.free(known["base"], known["width"])
        self.windows["base"][window], self.windows["width"][window] = base, width

    def _forget(self, windows: list[int]) -> None:
        """Make room for others; nothing else knows these windows any more."""
        known = self.windows.take(windows)
        stream, start = known["stream"], known["start"]
        places = list(zip(stream.tolist(), start.tolist(), strict=True))
        for place in places:
            del self._index[place]
        way = (start // self.step) % _WAYS
        recent = self._recent_start[stream, way] == start
        self._recent_start[stream[recent], way[recent]] = NEVER
        self._store.free(known["base"], known["width"])
        self.windows["changed"][windows] = False
        self._free_windows += windows
        self.dropped += places
