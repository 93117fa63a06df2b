"""Reads the ground truth that the PLCs wrote; `penstock.factory.truth` gives the format."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.factory.schedule import Activity
from penstock.factory.truth import started_at, truth_files


class TruthError(PenstockError):
    """A file of the ground truth cannot be read.

    Run the simulation again: the file was cut off or changed.
    """

    code = "PEN-700"


class Series(NamedTuple):
    """All samples of one tag that went out, ascending by time, each time once.

    `times` (n) are µs since 1970-01-01 UTC; `values` (n) are float64, of text tags `str`.
    """

    times: NDArray[np.int64]
    values: NDArray[Any]


class ActivitySpan(NamedTuple):
    """What a machine did from `start` to before `end`, in µs since 1970-01-01 UTC."""

    asset: str
    activity: Activity
    start: int
    end: int
    order: str
    reason: int


class Counts(NamedTuple):
    """Pieces made."""

    good: int
    scrap: int


class OrderRecord(NamedTuple):
    """A completed order at one machine; it began with setup and ended with its last piece."""

    asset: str
    order: str
    product: int
    quantity: int
    start: int
    end: int
    good: int
    scrap: int


@dataclass(frozen=True)
class Truth:
    """What really happened; assets are full ISA-95 paths.

    Attributes:
        series: By asset and tag.
        activities: In order of start.
        orders: In order of end.
        uncertain: Asset and time of samples that a kill cut off: perhaps they arrived.
        counts: Pieces of each asset, from the first cycle told of to the last.
        missed: Cycles of each asset of which nothing went out, since something first did.
    """

    series: Mapping[tuple[str, str], Series] = field(repr=False)
    activities: Sequence[ActivitySpan] = field(repr=False)
    orders: Sequence[OrderRecord] = field(repr=False)
    uncertain: frozenset[tuple[str, int]]
    counts: Mapping[str, Counts]
    missed: Mapping[str, int]

    @property
    def samples(self) -> int:
        """How many samples went out, each counted once."""
        return sum(len(series.times) for series in self.series.values())

    def seconds(self, asset: str) -> dict[Activity, float]:
        """Seconds that an asset spent in each activity."""
        total: dict[Activity, float] = defaultdict(float)
        for span in self.activities:
            if span.asset == asset:
                total[span.activity] += (span.end - span.start) / 1e6
        return dict(total)


def read_truth(folder: Path, *, since: int = 0) -> Truth:
    """Read the ground truth of a factory.

    Args:
        folder: The factory's folder.
        since: Leave out files of PLC processes that began before, in µs since 1970-01-01 UTC.

    Raises:
        TruthError: A whole line makes no sense; a line cut off by a kill is passed over.
    """
    collected = _Collected()
    for path in truth_files(folder):
        if started_at(path) >= since:
            _File(path, collected).read()
    return collected.truth()


class _Collected:
    """What has been read so far, of all files."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.values: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self.conversions: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.activities: dict[tuple[str, int], ActivitySpan] = {}
        self.orders: dict[tuple[str, str], OrderRecord] = {}
        self.uncertain: set[tuple[str, int]] = set()
        self.counts: dict[str, tuple[Counts, Counts]] = {}
        self.cycles: dict[str, set[int]] = defaultdict(set)
        self.since: dict[str, int] = {}
        """The newest cycle in the first line with samples of an asset."""

    def truth(self) -> Truth:
        series = {
            key: _series(times, self.values[key], self.conversions[key])
            for key, times in self.times.items()
        }
        return Truth(
            series=series,
            activities=sorted(self.activities.values(), key=lambda span: (span.start, span.asset)),
            orders=sorted(self.orders.values(), key=lambda order: (order.end, order.asset)),
            uncertain=frozenset(self.uncertain),
            counts={
                asset: Counts(last.good - first.good, last.scrap - first.scrap)
                for asset, (first, last) in self.counts.items()
            },
            missed={asset: self._missed(asset) for asset in self.cycles},
        )

    def _missed(self, asset: str) -> int:
        # A first publication also brings values that last changed long before: no cycles of these.
        cycles = {cycle for cycle in self.cycles[asset] if cycle >= self.since[asset]}
        return max(cycles) - self.since[asset] + 1 - len(cycles)


def _series(times: list[int], values: list[Any], conversion: Mapping[str, Any]) -> Series:
    unique, first = np.unique(np.array(times, np.int64), return_index=True)
    if conversion["as"] == "text":
        return Series(unique, np.array(values, np.str_)[first])
    numbers = np.array(values, np.float64)[first]
    if conversion["as"] == "float32":
        numbers = numbers.astype(np.float32).astype(np.float64)
    return Series(unique, numbers * conversion.get("scale", 1.0))


class _File:
    """One file of the truth, read into what has been collected."""

    def __init__(self, path: Path, collected: _Collected) -> None:
        self._path = path
        self._collected = collected
        self._t0 = self._cycle_us = 0
        self._assets: list[str] = []
        self._tags: list[list[str]] = []
        self._pending: list[Any] = []

    def read(self) -> None:
        for number, line in enumerate(self._lines(), 1):
            try:
                self._line(json.loads(line))
            except (ValueError, KeyError, IndexError, TypeError) as error:
                msg = f"this line is no ground truth: {error!r}"
                where = f"{self._path}:{number}"
                raise TruthError(msg, where=where, remedy="was the file edited?") from error
        self._collected.uncertain |= {
            (self._assets[group[0]], self._time(group[1])) for group in self._pending
        }

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as lines:
            yield from (line for line in lines if line.endswith(b"\n"))

    def _line(self, line: Any) -> None:
        if isinstance(line, dict):
            self._header(line)
            return
        kind, *rest = line
        self._pending = []
        if kind == "s":
            self._pending = rest[0]
            for group in rest[0]:
                self._samples(*group)
            for index, newest in {index: cycle for index, cycle, *_ in sorted(rest[0])}.items():
                self._collected.since.setdefault(self._assets[index], newest)
        elif kind == "a":
            self._activity(*rest)
        elif kind == "o":
            self._order(*rest)
        elif kind == "u":
            self._collected.uncertain |= {
                (self._assets[index], self._time(cycle)) for index, cycle in rest[0]
            }
        elif kind in ("k", "end"):
            self._counts(rest[1])

    def _header(self, header: Mapping[str, Any]) -> None:
        self._t0, self._cycle_us = header["t0"], header["cycle_us"]
        for asset in header["assets"]:
            self._assets.append(asset["asset"])
            self._tags.append([tag["tag"] for tag in asset["tags"]])
            for tag in asset["tags"]:
                self._collected.conversions[asset["asset"], tag["tag"]] = tag

        self._counts(header["counts"])

    def _counts(self, counts: Sequence[tuple[int, int]]) -> None:
        for asset, pieces in zip(self._assets, counts, strict=True):
            first, _ = self._collected.counts.get(asset, (Counts(*pieces), None))
            self._collected.counts[asset] = first, Counts(*pieces)

    def _time(self, cycle: int) -> int:
        return self._t0 + cycle * self._cycle_us

    def _samples(
        self, index: int, cycle: int, values: list[Any], tags: list[int] | None = None
    ) -> None:
        asset, time = self._assets[index], self._time(cycle)
        names = self._tags[index]
        self._collected.cycles[asset].add(cycle)
        for tag, value in zip(range(len(names)) if tags is None else tags, values, strict=True):
            self._collected.times[asset, names[tag]].append(time)
            self._collected.values[asset, names[tag]].append(value)

    def _activity(
        self, index: int, start: int, end: int, activity: str, order: str, reason: int
    ) -> None:
        asset = self._assets[index]
        span = ActivitySpan(
            asset, Activity(activity), self._time(start), self._time(end), order, reason
        )
        self._collected.activities[asset, start] = span

    def _order(self, index: int, order: str, product: int, quantity: int, *rest: int) -> None:
        asset = self._assets[index]
        start, end, good, scrap = rest
        self._collected.orders[asset, order] = OrderRecord(
            asset, order, product, quantity, self._time(start), self._time(end), good, scrap
        )
