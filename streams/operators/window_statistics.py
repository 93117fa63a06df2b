"""Statistics over tumbling event-time windows of several sizes, per tag, revised by late samples.

**Streams and series.** A stream is an (asset, source); it has a watermark. Its series (tags) share
its windows: one result per (stream, size, window) holds them all.

**Watermark.** The greatest accepted sample time of the stream so far, less `out_of_order`. A sample
is judged by the watermark before its record, never by one at a batch's end; so how records are cut
into batches changes no final figure.

**What becomes of a sample.** The first that applies:

- *Set aside*: its time is beyond its record's ingest time + `clock_ahead` (or before all time). It
  moves no watermark and is in no window. Booked as late; `LateSamples` of reason "clock ahead".
- *On time*: its time is greater than the watermark before its record. It waits until the watermark
  has passed it, and is then *folded* in order of (time, arrival). So everything that depends on
  order is exact for any shuffle within `out_of_order`.
- *Late*: at or behind the watermark. Every size whose window is still kept (window end +
  `reopen_for` > watermark) takes it: count, mean, minimum, maximum, standard deviation, first and
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
kept until the watermark reaches s + size + `reopen_for`.

**Text** is counted, and covers; as a value it is NaN, which makes the means, extremes and deviation
of its window NaN. Booleans are 0 and 1. Times before 1970 are times like others.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.operator import Books, LateSamples, Operator, Output, Result, SampleBatch
from schemas import Kind
from streams.operators.windows import state
from streams.operators.windows.arrival import arrive
from streams.operators.windows.core import Windows
from streams.operators.windows.idle import Idleness
from streams.operators.windows.parameters import NEVER, WindowParameters
from streams.operators.windows.samples import NO_SAMPLES, Samples

FORMAT: Final = 1
"""Number of the state's format."""

_Mask = NDArray[np.bool_]


class WindowStatistics(Operator):
    """Windowed statistics of one partition; the module's docstring says what they mean.

    Args:
        parameters: Sizes and tolerances.

    >>> from penstock.testing.batches import Batches, Record
    >>> minute = 60_000_000
    >>> operator = WindowStatistics(WindowParameters(0, minute, minute, ((minute, minute),)))
    >>> samples = [("power", 0, 1.0), ("power", minute // 2, 3.0), ("power", minute, 5.0)]
    >>> output = operator.update(Batches().of(Record("press07", "plc", samples)))
    >>> [(r.record.count.tolist(), r.record.time_weighted_mean.tolist()) for r in output.results]
    [([2], [2.0])]
    """

    def __init__(self, parameters: WindowParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._windows = Windows(parameters)
        self._idleness = Idleness()
        self._changed = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"window-statistics/{FORMAT} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each (asset, source) that has one, microseconds."""
        partition = self._windows.partition
        levels = partition.streams["watermark"].tolist()
        named = zip(partition.names, levels, strict=False)
        return {name: level for name, level in named if level != NEVER}

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
        windows, streams_of_records, series = (
            self._windows,
            *self._windows.partition.translate(batch),
        )
        known = windows.partition.streams
        arrival = arrive(batch, streams_of_records, known["watermark"], self.parameters)
        before = known["watermark"][arrival.streams]
        known["watermark"][arrival.streams] = arrival.watermark
        known["changed"][arrival.streams] = known["heard"][arrival.streams] = True
        value = batch.value
        if len(batch.kind):
            value = np.where(batch.kind == Kind.TEXT, np.nan, value)
        samples = Samples(series, batch.time, value, batch.good)
        apart = _either(arrival.ahead, arrival.late)
        on_time = samples if apart is None else samples.take(~apart)
        windows.fold(on_time, arrival.streams, before)
        too_late, revised = windows.take_late(batch, samples, arrival)
        results = windows.publish(arrival.streams, arrival.watermark, revised)
        return Output(results, self._book(batch, arrival.ahead, too_late))

    def _book(
        self, batch: SampleBatch, ahead: _Mask | None, late: _Mask | None
    ) -> list[LateSamples]:
        """Count the samples; gives those that no result holds."""
        reasons = {"clock ahead": ahead, "too late": late}
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
        for stream, shown, frontier in self._idleness.due(self._windows, time):
            results += self._as_known(stream, shown, frontier)
        return Output(results)

    def _as_known(self, stream: int, shown: int, frontier: int) -> list[Result]:
        """What a stream's windows that end in (shown, frontier] hold, were nothing more to come."""
        level = int(self._windows.partition.streams["watermark"][stream])
        width = len(self._windows.partition.tags[stream])
        one, copy = np.zeros(1, np.int64), state.copy_stream(self._windows, stream)
        copy.partition.streams["watermark"][0] = frontier
        with np.errstate(all="ignore"):
            copy.fold(NO_SAMPLES, one, one + level)
            found = copy.publish(one, one + frontier, {})
        results = []
        for result in found:
            record = result.record
            if record.window_start + record.window_size > shown:
                pool = self._windows.pools[record.window_size]
                pool.revised(pool.window(stream, record.window_start, width), record.revision)
                results.append(Result(result.key, replace(record, watermark=level)))
        self._changed |= bool(results)
        return results

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, `s/<asset>/<source>` and `w/<size>/<start>/<asset>/<source>`."""
        if not self._changed:
            return {}
        self._changed = False
        return {
            state.META: state.pack_meta(self.fingerprint, self.books),
            **state.save(self._windows),
        }

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        books = state.unpack_meta(rows, self.fingerprint) if rows else Books()
        windows = {key: row for key, row in rows.items() if key != state.META}
        self._windows, self.books = state.load(self.parameters, windows), books
        self._idleness, self._changed = Idleness(), not rows


def _either(a: _Mask | None, b: _Mask | None) -> _Mask | None:
    if a is None or b is None:
        return a if b is None else b
    return a | b
