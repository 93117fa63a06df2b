"""The windows of a partition: folds samples in time order, takes late ones, closes and drops."""

import numpy as np
from numpy.typing import NDArray

from penstock.operator import Result, SampleBatch
from streams.operators.windows import cells
from streams.operators.windows.arrival import Arrival
from streams.operators.windows.folding import Groups, heads_of, reduce
from streams.operators.windows.parameters import NEVER, WindowParameters
from streams.operators.windows.partition import Partition
from streams.operators.windows.pool import WindowPool
from streams.operators.windows.publishing import publish
from streams.operators.windows.rows import put
from streams.operators.windows.samples import NO_SAMPLES, Samples
from streams.operators.windows.silence import silence
from streams.operators.windows.spans import NO_SPANS, Spans, pieces, spans


class Windows:
    """State of windowed statistics, without books.

    Args:
        parameters: Sizes and tolerances; `out_of_order` is that of all sizes.

    Attributes:
        partition: Streams and series.
        pools: The windows of each size.
        pending: On-time samples that the watermark has not passed, in order of arrival.
    """

    def __init__(self, parameters: WindowParameters) -> None:
        self.parameters = parameters
        self.partition = Partition()
        self.pools = {one.size: WindowPool(one) for one in parameters.sizes}
        self.pending = NO_SAMPLES
        self._steps = tuple(sorted({one.step for one in parameters.sizes}))

    def pending_of(self, stream: int) -> Samples:
        """The samples of one stream that wait."""
        return self.pending.take(self.partition.series["stream"][self.pending.series] == stream)

    def all_changed(self) -> None:
        """Have everything saved anew."""
        self.partition.streams["changed"][: len(self.partition)] = True
        for pool in self.pools.values():
            pool.all_changed()

    def fold(self, on_time: Samples, streams: NDArray[np.int64], before: NDArray[np.int64]) -> None:
        """Fold what the watermarks have passed, and hold values up to the windows that close.

        Args:
            on_time: New samples.
            streams: (S) streams whose watermarks may have moved.
            before: (S) their watermarks before.
        """
        partition, known = self.partition, self.partition.streams
        waiting = self.pending.then(on_time)
        level = known["watermark"][partition.series["stream"]]
        passed = waiting.time <= level[waiting.series]
        self.pending = waiting.take(np.flatnonzero(~passed))
        groups, held = None, NO_SPANS
        if len(self.pending) < len(waiting):
            groups, held = self._reduce(waiting.in_order(np.flatnonzero(passed)))
        accrued = np.full(len(partition), NEVER)
        accrued[streams] = before
        for pool in self.pools.values():
            border = _floor(accrued, pool.step)
            now = _floor(known["watermark"][: len(partition)], pool.step)
            carried = self._carried(streams[now[streams] > border[streams]], now)
            self._hold(pool, held.then(carried), border)
            if groups is not None:
                _, rows = self._rows(pool, groups.series, groups.time)
                cells.add(pool.cells, rows, groups, late=False)

    def _reduce(self, samples: Samples) -> tuple[Groups, Spans]:
        """Groups and held spans of ordered samples, which become the last of their series."""
        partition, hold = self.partition, self.parameters.hold
        last = partition.streams["last"]
        heads = heads_of(samples, self._steps)
        quiet = silence(partition.series["stream"], samples, heads, last, hold)
        for stream, cut in zip(quiet.streams.tolist(), quiet.cut.tolist(), strict=True):
            members = partition.members[stream]
            partition.series["until"][members] = np.minimum(partition.series["until"][members], cut)
        held, series, after = spans(samples, heads, partition.series, quiet)
        put(partition.series, series, after)
        np.maximum.at(last, after["stream"], after["time"])
        return reduce(samples, heads, quiet.sample_cut), held

    def _carried(self, streams: NDArray[np.int64], now: NDArray[np.int64]) -> Spans:
        """The last values of all series of these streams, held until `now` at the latest."""
        members = self.partition.members_of(streams)
        series = self.partition.series.take(members)
        alive = self.partition.streams["last"][series["stream"]] + self.parameters.hold
        end = np.minimum(np.minimum(series["until"], alive), now[series["stream"]])
        return Spans(members, series["value"], series["time"], end)

    def _hold(self, pool: WindowPool, held: Spans, border: NDArray[np.int64]) -> None:
        """Add held values to the windows that they cover; before `border` they were added."""
        stream = self.partition.series["stream"][held.series]
        part = pieces(held, border[stream], pool.step)
        if len(part.series):
            _, rows = self._rows(pool, part.series, part.begin)
            cells.cover(pool.cells, rows, part.value, part.end - part.begin)

    def _rows(
        self, pool: WindowPool, series: NDArray[np.int64], time: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The windows that begin last before these times, and in them the cells of these series."""
        known = self.partition.series
        stream, local = known["stream"][series], known["local"][series]
        width = self.partition.streams["width"][: len(self.partition)]
        return pool.rows(stream, _floor(time, pool.step), local, width)

    def take_late(
        self, batch: SampleBatch, samples: Samples, arrival: Arrival
    ) -> tuple[NDArray[np.bool_] | None, dict[int, list[int]]]:
        """Add late samples to the windows still kept; gives those none took, and the windows."""
        if arrival.late is None:
            return None, {}
        place = np.flatnonzero(arrival.late)
        late, before = samples.take(place), arrival.before[batch.record[place]]
        taken = np.zeros(len(place), np.bool_)
        revised = {}
        for size, pool in self.pools.items():
            kept = pool.takes(late.time, before)
            if not kept.any():
                continue
            taken |= kept
            ordered = late.take(kept).in_order()
            groups = reduce(ordered, heads_of(ordered, (pool.step,)))
            windows, rows = self._rows(pool, groups.series, groups.time)
            cells.add(pool.cells, rows, groups, late=True)
            revised[size] = pool.holding(windows)
        too_late = np.zeros(len(batch), np.bool_)
        too_late[place[~taken]] = True
        return too_late, revised

    def publish(
        self,
        streams: NDArray[np.int64],
        watermark: NDArray[np.int64],
        revised: dict[int, list[int]],
    ) -> list[Result]:
        """Close, revise and drop windows."""
        results = []
        for size, pool in self.pools.items():
            again = [w for w in revised.get(size, ()) if pool.windows["closed"][w]]
            results += publish(self.partition, pool, again + pool.due(streams, watermark))
            pool.drop(streams, watermark)
        return results


def _floor(time: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """The start of the last window that begins at or before each time."""
    return time // step * step
