"""The streams and series of a partition: names, watermarks, and the value each series last had."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.operator import Names, SampleBatch
from streams.operators.windows.parameters import NEVER

SERIES: Final = np.dtype(
    [("stream", "<i4"), ("local", "<i4"), ("time", "<i8"), ("value", "<f8"), ("until", "<i8")]
)
"""A series: its stream, its place among the stream's series, its last folded sample, and the time
beyond which that value holds no more (its own time if it was bad)."""

STREAM: Final = np.dtype(
    [("watermark", "<i8"), ("last", "<i8"), ("width", "<i8"), ("changed", "?"), ("heard", "?")]
)
"""A stream: watermark, time of its last folded sample, number of its series; whether it changed
since its state was saved, and whether it sent anything since `advance` looked."""


class Partition:
    """Numbers streams and series by name, for as long as the operator lives.

    Attributes:
        streams: `STREAM` of each stream.
        series: `SERIES` of each series.
        names: (asset, source) of each stream.
        tags: Names of each stream's series, by their `local` number.
        members: Numbers of each stream's series, by their `local` number.
    """

    def __init__(self) -> None:
        self.streams: NDArray[Any] = np.zeros(0, STREAM)
        self.series: NDArray[Any] = np.zeros(0, SERIES)
        self.names: list[tuple[str, str]] = []
        self.tags: list[list[str]] = []
        self.members: list[list[int]] = []
        self._stream_ids: dict[tuple[str, str], int] = {}
        self._series_ids: list[dict[str, int]] = []
        self._count = 0
        self._streams_of = _Translation(lambda names: [self.stream_id(name) for name in names])
        self._series_of = _Translation(self._numbers)

    def translate(self, batch: SampleBatch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The batch's streams (R) and series (N) by our numbers."""
        streams = self._streams_of(batch.streams, batch.stream)
        return streams, self._series_of(batch.series_names, batch.series)

    def stream_id(self, name: tuple[str, str]) -> int:
        """The number of (asset, source), a new one if it was never seen."""
        known = self._stream_ids.get(name)
        if known is None:
            known = self._stream_ids[name] = len(self.names)
            self.names.append(name)
            self.tags.append([])
            self.members.append([])
            self._series_ids.append({})
            self.streams = grown(self.streams, known + 1)
            self.streams[known] = (NEVER, NEVER, 0, False, False)
        return known

    def _numbers(self, names: Sequence[tuple[str, str, str]]) -> list[int]:
        """The numbers of (asset, source, tag)s, which differ; those of a stream mostly in a row."""
        found: list[int] = []
        for stream, own in groupby(names, itemgetter(0, 1)):
            found += self.series_ids(stream, [tag for _, _, tag in own]).tolist()
        return found

    def series_ids(self, stream: tuple[str, str], tags: Sequence[str]) -> NDArray[np.int64]:
        """The numbers of tags of (asset, source), which differ; new ones where never seen."""
        owner = self.stream_id(stream)
        known = self._series_ids[owner]
        new = [tag for tag in tags if tag not in known] if known else list(tags)
        first, local = self._count, len(known)
        numbers = range(first, first + len(new))
        self._count = numbers.stop
        self.series = grown(self.series, numbers.stop)
        self.series["stream"][first : numbers.stop] = owner
        self.series["local"][first : numbers.stop] = np.arange(local, local + len(new))
        for name, value in (("time", NEVER), ("value", np.nan), ("until", NEVER)):
            self.series[name][first : numbers.stop] = value
        known.update(zip(new, numbers, strict=True))
        self.tags[owner] += new
        self.members[owner] += numbers
        self.streams["width"][owner] += len(new)
        if len(new) == len(tags):
            return np.arange(first, numbers.stop)
        return np.array([known[tag] for tag in tags], np.int64)

    def members_of(self, streams: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of all series of these streams."""
        return np.array([one for s in streams.tolist() for one in self.members[s]], np.int64)

    def __len__(self) -> int:
        return len(self.names)


class _Translation:
    """From a host's numbers of names to ours. The host may come with new `Names` at any batch."""

    def __init__(self, numbers: Callable[[Sequence[Any]], list[int]]) -> None:
        self._numbers = numbers
        self._names: Names | None = None
        self._table = np.zeros(0, np.int64)

    def __call__(self, names: Names, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        if names is not self._names:
            self._names, self._table = names, np.zeros(0, np.int64)
        if len(names) > len(self._table):
            new = self._numbers([names[i] for i in range(len(self._table), len(names))])
            self._table = np.append(self._table, np.array(new, np.int64))
        return self._table[ids]


def grown(array: NDArray[Any], length: int) -> NDArray[Any]:
    """The array, or a copy of at least twice the length if it is too short; new rows are zero."""
    if len(array) >= length:
        return array
    longer = np.zeros((max(length, 2 * len(array), 16), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
