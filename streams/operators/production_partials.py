"""What each asset does in each pane of time: where its time goes, and what it makes.

The first of two stages: its results, keyed by line, are what `line_kpis` sums up.

**Panes** are short tumbling windows (`every`) from which all longer ones are put together. When the
asset's watermark passes a pane's end, its partial is published; panes of which nothing is known are
left out.

**States** hold until the next one, while their source is heard; after a silence of `hold` nothing
is known. `streams.operators.production.elements` says which time is which.

**Pieces** are the rises of counters (`streams.operators.production.counting`), in the pane, and for
the order and product that were shown, at the time of the later reading. Between two readings with a
silence of the state's source in between, or a time in which the order was not known, a counter rose
unseen. These pieces are flagged; they count for the order only if that was shown all the while, and
for none otherwise. A counter may be sent only when it changes: one piece or two are taken as made
when they show, if they can have been since (without a planned run time: after `hold`). Where no tag
tells the state, no silence is known. Pieces that nobody saw being made have the last time in which
they can have been (`since`, `until`): while the asset is heard, its counters tell.

**Late samples** change the panes that they concern, which are published again, until they are
`reopen_for` behind; then they are handed back. One that contradicts two equal values, given before
and after it, is handed back too: how long it held is not known.

**Quiet assets.** When nothing of an asset was heard for `hold` of wall-clock time, `advance` gives
its panes as far as they are known, and a heartbeat (`pane_size` 0). Its watermark stays.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.operator import CLOCK_AHEAD, Books, LateSamples, Operator, Output, Result, SampleBatch
from penstock.work_units import Name, WorkUnit
from schemas import Kind, LateChange, ProductionPartial
from streams.operators.production.asset import AssetState, Event, runs_by_pane
from streams.operators.production.parameters import ProductionParameters
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows
from streams.operators.windows.arrival import arrive
from streams.operators.windows.parameters import NEVER
from streams.operators.windows.partition import Partition

_Mask = NDArray[np.bool_]


class ProductionPartials(Operator):
    """Partials of the assets of one partition; the module's docstring says what they mean.

    Args:
        parameters: Work units, lengths and rates.
    """

    state_format: ClassVar[int] = 1

    def __init__(self, parameters: ProductionParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._partition = Partition()
        self._followed = np.zeros(0, np.bool_)
        self._assets: dict[str, AssetState] = {}
        self._changed: set[str] = set()
        self._heard: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._new: set[str] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"production-partials/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each asset and source that tells of it."""
        return {
            (asset, source): level
            for asset, state in self._assets.items()
            for source, level in state.levels.items()
            if level != NEVER
        }

    def update(self, batch: SampleBatch) -> Output:
        """Take samples in; gives the partials of panes that are over or changed.

        Raises:
            DecodeError: The batch's columns do not fit each other; nothing has changed.
        """
        batch.check()
        if not len(batch):
            return Output()
        streams, series = self._partition.translate(batch)
        level = self._partition.streams["watermark"]
        arrival = arrive(batch, streams, level, self.parameters.arrival)
        ahead = np.zeros(len(batch), np.bool_) if arrival.ahead is None else arrival.ahead
        readings = self._readings(series)
        lost: dict[str, _Mask] = {CLOCK_AHEAD: ahead}
        seen: set[str] = set()
        results: list[Result] = []
        for record, places in _records(batch):
            asset, source = self._partition.names[int(streams[record])]
            unit = self.parameters.unit_of.get(asset)
            if unit is not None and source in unit.sources:
                seen.add(asset)
                state = self._assets.setdefault(asset, AssetState(unit, self.parameters))
                self._take(state, source, batch, readings, places, lost)
                # After each record, so that it does not matter with which others it came.
                results += self._partials(state, state.publishable(), final=True)
                state.forget()
        self._changed |= seen
        self._new |= seen
        return Output(results, self._book(batch, lost))

    def _take(
        self,
        state: AssetState,
        source: str,
        batch: SampleBatch,
        readings: _Mask,
        places: slice,
        lost: dict[str, _Mask],
    ) -> None:
        """Take the samples of one record."""
        accepted = ~lost[CLOCK_AHEAD][places]
        times = batch.time[places][accepted]
        if not len(times):
            return
        watermark = int(times.max()) - self.parameters.out_of_order
        # Also a sample that will be refused tells that its source was there.
        for low, high in _heard(times[times > state.horizon], self.parameters.hold):
            state.hear(source, low, high)
        wanted = np.flatnonzero(accepted & readings[places]) + places.start
        for place in wanted.tolist():
            if reason := state.take(_event(batch, place)):
                mask = lost.setdefault(reason, np.zeros(len(batch), np.bool_))
                mask[place] = True
        state.advance(source, watermark)

    def _readings(self, series: NDArray[np.int64]) -> _Mask:
        """The samples of tags that are followed."""
        partition = self._partition
        count = int(partition.streams["width"].sum())
        if len(self._followed) < count:
            self._followed = np.zeros(count, np.bool_)
            named = zip(partition.names, partition.tags, partition.members, strict=True)
            for (asset, source), tags, numbers in named:
                unit = self.parameters.unit_of.get(asset)
                tracks = unit.tracks if unit else {}
                self._followed[numbers] = [(source, tag) in tracks for tag in tags]
        followed: _Mask = self._followed[series]
        return followed

    def _partials(
        self, state: AssetState, panes: list[int], *, final: bool, watermark: int | None = None
    ) -> Iterator[Result]:
        painter = state.painter()
        for pane in panes:
            partial = ProductionPartial(
                line=state.unit.line,
                asset=state.unit.asset,
                pane_start=pane,
                pane_size=self.parameters.every,
                watermark=state.folded if watermark is None else watermark,
                final=final,
                late=tuple(state.late.get(pane, ())),
                **painter.paint(pane, state.folded),
            )
            yield Result(state.unit.line, partial)

    def _book(self, batch: SampleBatch, lost: Mapping[str, _Mask]) -> list[LateSamples]:
        """Count the samples; those that only tell that their source lives count as aggregated."""
        found = [LateSamples(mask, reason) for reason, mask in lost.items() if mask.any()]
        bad, outside = ~batch.good, sum(int(one.mask.sum()) for one in found)
        for one in found:
            bad &= ~one.mask
        self.books.samples_in += len(batch)
        self.books.late += outside
        self.books.bad += int(bad.sum())
        self.books.aggregated += len(batch) - outside - int(bad.sum())
        self._anything = True
        return found

    def advance(self, time: int) -> Output:
        """Give what is known of quiet assets, and their heartbeats; nothing else changes."""
        results: list[Result] = []
        frontier = time - self.parameters.out_of_order - self.parameters.hold
        every = self.parameters.every
        for asset, state in self._assets.items():
            if asset in self._new or asset not in self._heard:
                self._heard[asset], self._shown[asset] = time, state.folded
            elif time - self._heard[asset] >= self.parameters.hold and (
                frontier // every > self._shown[asset] // every
            ):
                other, panes = state.as_known(frontier, self._shown[asset])
                results += self._partials(other, panes, final=False, watermark=state.folded)
                results.append(self._heartbeat(state.unit, frontier, state.folded))
                self._shown[asset] = frontier
        self._new.clear()
        return Output(results)

    def _heartbeat(self, unit: WorkUnit, frontier: int, watermark: int) -> Result:
        return Result(
            unit.line, ProductionPartial(unit.line, unit.asset, frontier, 0, watermark, final=False)
        )

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, `s/<asset>` and `r/<pane>/<asset>`."""
        if not self._anything:
            return {}
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        for asset in sorted(self._changed):
            state, end = self._assets[asset], quote(asset, safe="")
            rows[f"s/{end}"] = dump(_dumped(state))
            for pane in sorted(state.touched):
                runs = [[*name, runs] for name, runs in runs_by_pane(state, pane)]
                rows[f"r/{pane}/{end}"] = dump(runs) if runs else None
            state.touched = set()
        self._anything, self._changed = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = ProductionPartials(self.parameters)
        _, other.books = load_meta(self, rows)
        other._anything = not rows
        load_rows(rows, other._load, reverse=True)  # s/… comes before r/…
        for state in other._assets.values():
            for track in state.tracks.values():
                track.runs.sort(key=lambda run: int(run[0]))
        self.__dict__.update(other.__dict__)

    def _load(self, where: str, row: Any) -> None:
        asset = unquote(where.rpartition("/")[2])
        if where.startswith("s/"):
            unit = self.parameters.unit_of[asset]
            self._assets[asset] = _loaded(AssetState(unit, self.parameters), row)
        else:
            _load_runs(self._assets[asset], row)


def _records(batch: SampleBatch) -> Iterator[tuple[int, slice]]:
    """Each record that has samples, and where they are."""
    first = np.flatnonzero(np.diff(batch.record, prepend=np.int32(-1)))
    ends = [*first[1:].tolist(), len(batch)]
    for begin, end in zip(first.tolist(), ends, strict=True):
        yield int(batch.record[begin]), slice(begin, end)


def _event(batch: SampleBatch, place: int) -> Event:
    _, source, tag = batch.series_names[int(batch.series[place])]
    value: Any = None
    if batch.good[place]:
        value = float(batch.value[place])
        if len(batch.kind) and batch.kind[place] == Kind.TEXT:
            value = batch.texts[int(value)]
    return int(batch.time[place]), (source, tag), value


def _heard(times: NDArray[np.int64], hold: int) -> Iterator[tuple[int, int]]:
    """The times at which a source was heard, as spans without a longer silence than `hold`."""
    if not len(times):
        return
    low, high = int(times.min()), int(times.max())
    if high - low <= hold:
        yield low, high
        return
    ordered = np.unique(times)
    cuts = np.flatnonzero(np.diff(ordered) > hold) + 1
    for part in np.split(ordered, cuts):
        yield int(part[0]), int(part[-1])


def _dumped(state: AssetState) -> list[Any]:
    late = [[pane, changes] for pane, changes in sorted(state.late.items())]
    levels = sorted(state.levels.items())
    pending = [[time, *name, value] for time, name, value in state.pending]
    return [state.folded, levels, pending, state.heard.spans, late, sorted(state.dirty)]


def _loaded(state: AssetState, row: list[Any]) -> AssetState:
    state.folded, levels, pending, state.heard.spans, late, dirty = row
    state.levels, state.dirty = dict(levels), set(dirty)
    state.pending = [(time, (source, tag), value) for time, source, tag, value in pending]
    state.late = {pane: [LateChange(*one) for one in changes] for pane, changes in late}
    return state


def _load_runs(state: AssetState, row: list[Any]) -> None:
    names: dict[Name, list[Any]] = {(source, tag): runs for source, tag, runs in row}
    for name, runs in names.items():
        state._track(name).runs += runs
