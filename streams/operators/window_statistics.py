"""Statistics over event-time windows of several sizes, per tag, revised by late samples.

**Windows.** Windows of a size tumble: [s, s + size) for every multiple s of the size. Or they hop:
they begin at every multiple of `every`, which divides the size, so a sample is in size / `every` of
them.

**Streams and series.** A stream is an (asset, source); it has a watermark. Its series (tags) share
its windows: one result per (stream, size, window) holds them all.

**Watermark.** The greatest accepted sample time of the stream so far, less `out_of_order`. A sample
is judged by the watermark before its record, never by one at a batch's end; so how records are cut
into batches changes no final figure. A size may have its own `out_of_order`; then it has its own
watermark, and a sample may be on time for it that is late for others.

**What becomes of a sample.** The first that applies:

- *Set aside*: its time is beyond its record's ingest time + `clock_ahead` (or before all time). It
  moves no watermark and is in no window. Booked as late; `LateSamples` of reason "clock ahead".
  `clocks()` shows the stream's clock as runaway until a record comes that has no such sample.
- *On time*: its time is greater than the watermark before its record. It waits until the watermark
  has passed it, and is then *folded* in order of (time, arrival). So everything that depends on
  order is exact for any shuffle within `out_of_order`.
- *Late*: at or behind the watermark. Every size whose window is still kept (window end +
  `reopen_for` > watermark) takes it; where windows hop, all that hold it do as long as the last of
  them is kept: count, mean, minimum, maximum, standard deviation, first and
  last are exact at once, `late` counts it; time-weighted mean and coverage do not take it. A window
  that was published is published again at the end of the update, with the next revision.
- *Too late*: no size takes it. Booked as late; `LateSamples` of reason "too late".

A sample that at least one size takes is booked once: as bad if it is bad, else as aggregated. One
that is not good is counted in its window's `bad` and in no other figure.

**Time-weighted mean and coverage.** Sample and hold: a good value is known from its time until the
next sample of its series, and is carried into the windows that follow. A bad sample ends it:
nothing is known until the next good sample. Silence of the whole stream ends it too: no value is
held longer than `hold` after the last sample of any series before the silence; after it, each
series must report again. While the stream lives, its quiet series stay covered (report by
exception).

**Closing.** The window [s, s + size) closes when the watermark reaches s + size. Its result holds
the series that have a sample or coverage in it, also those with none but a carried-in value. It is
kept until the watermark reaches s + size + `reopen_for`, or what the windows that overlap it need.

**Text** is counted, and covers; as a value it is NaN, which makes the means, extremes and deviation
of its window NaN. Booleans are 0 and 1. Times before 1970 are times like others.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.operator import (
    CLOCK_AHEAD,
    TOO_LATE,
    Books,
    LateSamples,
    Operator,
    Output,
    Result,
    SampleBatch,
    SourceClock,
)
from schemas import Kind
from streams.operators.rows import META, dump_meta, load_meta
from streams.operators.windows import state
from streams.operators.windows.arrival import Arrival, arrive
from streams.operators.windows.clocks import Clocks
from streams.operators.windows.core import Windows
from streams.operators.windows.idle import Idleness, show_idle
from streams.operators.windows.parameters import NEVER, WindowParameters
from streams.operators.windows.samples import Samples

_Mask = NDArray[np.bool_]


class WindowStatistics(Operator):
    """Windowed statistics of one partition; the module's docstring says what they mean.

    Args:
        parameters: Sizes and tolerances.

    >>> from penstock.testing.batches import Batches, Record
    >>> from streams.operators.windows.parameters import Size
    >>> minute = 60_000_000
    >>> parameters = WindowParameters(0, minute, minute, (Size(minute, minute),))
    >>> operator = WindowStatistics(parameters)
    >>> samples = [("power", 0, 1.0), ("power", minute // 2, 3.0), ("power", minute, 5.0)]
    >>> output = operator.update(Batches().of(Record("press07", "plc", samples)))
    >>> [(r.record.count.tolist(), r.record.time_weighted_mean.tolist()) for r in output.results]
    [([2], [2.0])]
    """

    state_format: ClassVar[int] = 2
    former_formats: ClassVar[tuple[int, ...]] = (1,)
    """In format 1 streams' rows did not name `out_of_order`."""

    def __init__(self, parameters: WindowParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._groups = tuple(Windows(one) for one in parameters.by_lateness())
        self._idleness = tuple(Idleness() for _ in self._groups)
        self._clocks = Clocks()
        self._changed = True
        self._former: set[str] = set()

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"window-statistics/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each (asset, source) that has one, of its greatest `out_of_order`."""
        partition = self._groups[-1].partition
        levels = partition.streams["watermark"].tolist()
        named = zip(partition.names, levels, strict=False)
        return {name: level for name, level in named if level != NEVER}

    def clocks(self) -> Mapping[tuple[str, str], SourceClock]:
        """The clock of each (asset, source); idle is one of which nothing came for `hold`."""
        windows, idle = self._groups[0], self._idleness[0].since(self._groups[0])
        return self._clocks.named(windows.partition.names, idle)

    def update(self, batch: SampleBatch) -> Output:
        """Take samples in; gives the windows that closed or were revised.

        Raises:
            DecodeError: The batch's columns do not fit each other; nothing has changed.
        """
        batch.check()
        if not len(batch):
            return Output()
        with np.errstate(all="ignore"):  # NaN and infinity are answers here.
            return self._update(batch)

    def _update(self, batch: SampleBatch) -> Output:
        value = batch.value
        if len(batch.kind):
            value = np.where(batch.kind == Kind.TEXT, np.nan, value)
        ahead: _Mask | None = None
        too_late: list[_Mask | None] = []
        results: list[Result] = []
        for windows in self._groups:
            streams, series = windows.partition.translate(batch)
            samples = Samples(series, batch.time, value, batch.good)
            known = windows.partition.streams
            arrival = arrive(batch, streams, known["watermark"], windows.parameters)
            if windows is self._groups[0]:
                self._clocks.take(batch, streams, arrival.ahead)
            lost, found = _take(windows, batch, samples, arrival)
            ahead, results = arrival.ahead, results + found
            too_late.append(lost)
        return Output(results, self._book(batch, ahead, _all(too_late)))

    def _book(
        self, batch: SampleBatch, ahead: _Mask | None, late: _Mask | None
    ) -> list[LateSamples]:
        """Count the samples; gives those that no result holds."""
        reasons = {CLOCK_AHEAD: ahead, TOO_LATE: late}
        lost = [LateSamples(m, why) for why, m in reasons.items() if m is not None and m.any()]
        bad, outside = ~batch.good, sum(int(one.mask.sum()) for one in lost)
        for one in lost:
            bad &= ~one.mask
        self.books.samples_in += len(batch)
        self.books.late += outside
        self.books.bad += int(bad.sum())
        self.books.aggregated += len(batch) - outside - int(bad.sum())
        self._changed = True
        return lost

    def advance(self, time: int) -> Output:
        """Emit the windows of idle streams as far as they are known; nothing else changes.

        A stream is idle when nothing of it was seen here for `hold` of wall-clock time. Then its
        windows that ended `out_of_order` + `hold` before `time` are published without waiting for
        its watermark; samples that still come on time revise them when they close.
        """
        results: list[Result] = []
        for windows, idleness in zip(self._groups, self._idleness, strict=True):
            results += show_idle(windows, idleness, time)
        self._changed |= bool(results)
        return Output(results)

    def changes(self) -> Mapping[str, bytes | None]:
        """The rows of `state` that changed."""
        if not self._changed:
            return {}
        rows: dict[str, bytes | None] = dict.fromkeys(self._former)
        rows[META] = dump_meta(self)
        for windows in self._groups:
            rows |= state.save(windows)
        rows |= state.save_clocks(self._clocks, self._groups[0].partition)
        self._changed, self._former = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        former = set[str]()
        fingerprint, books = load_meta(self, rows)
        if self.is_former(fingerprint):
            rows, former = state.from_format_1(rows, self.parameters.out_of_order)
        named = {key: row for key, row in rows.items() if key != META}
        clocks = {key: named.pop(key) for key in rows if state.is_clock(key)}
        groups = state.load_all(self.parameters, named)
        self._clocks = state.load_clocks(groups[0].partition, clocks)
        self._groups = groups
        if former:
            for windows in self._groups:
                windows.all_changed()
        self._idleness = tuple(Idleness() for _ in self._groups)
        self.books, self._former, self._changed = books, former, bool(former) or not rows


def _take(
    windows: Windows, batch: SampleBatch, samples: Samples, arrival: Arrival
) -> tuple[_Mask | None, list[Result]]:
    """Take samples into the windows of one lateness; gives those too late for all, and results."""
    known = windows.partition.streams
    before = known["watermark"][arrival.streams]
    known["watermark"][arrival.streams] = arrival.watermark
    known["changed"][arrival.streams] = known["heard"][arrival.streams] = True
    apart = _either(arrival.ahead, arrival.late)
    on_time = samples if apart is None else samples.take(~apart)
    windows.fold(on_time, arrival.streams, before)
    too_late, revised = windows.take_late(batch, samples, arrival)
    return too_late, windows.publish(arrival.streams, arrival.watermark, revised)


def _either(a: _Mask | None, b: _Mask | None) -> _Mask | None:
    if a is None or b is None:
        return a if b is None else b
    return a | b


def _all(masks: Iterable[_Mask | None]) -> _Mask | None:
    """Where all masks are true; None is true nowhere."""
    known = list(masks)
    there = [mask for mask in known if mask is not None]
    return np.logical_and.reduce(there) if len(there) == len(known) else None
