"""What each asset contributes to the windows of its line: the first of two stages.

**Members.** A member of a line is an (asset, source). Its watermark is the greatest accepted sample
time less `out_of_order`, and is its own.

**Pieces** are the increases of counters of role good, scrap and total between consecutive good
samples, in the window of the later one. A lower reading is a rollover or a reset
(`streams.operators.lines.member.increase`). A reading behind the watermark is handed back as late:
a counter loses no piece by it, only their place in time.

**Covered** is how long the source was heard: after the greatest time of each record for `hold` at
most.

**Closing.** When the member's watermark passes a window's end, a `final` partial is published, and
the window is forgotten: what comes for it later is late.

**Quiet members.** When nothing of a member was heard for `hold` of wall-clock time, `advance` gives
its open windows as far as they are known, and a heartbeat (`window_size` 0). Its watermark stays;
what still comes on time makes partials of a greater version.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.lines import PIECES, Counter, LineMembers, Member
from penstock.operator import (
    CLOCK_AHEAD,
    TOO_LATE,
    Books,
    LateSamples,
    Operator,
    Output,
    Result,
    SampleBatch,
)
from schemas import Kind, LinePartial
from streams.operators.lines.member import Event, MemberState, Share
from streams.operators.lines.parameters import LineParameters
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows
from streams.operators.windows.arrival import arrive
from streams.operators.windows.parameters import NEVER
from streams.operators.windows.partition import Partition

_Mask = NDArray[np.bool_]


class LinePartials(Operator):
    """Partials of the lines of one partition's assets; the module's docstring says what they mean.

    Args:
        parameters: Windows and lines.
    """

    state_format: ClassVar[int] = 1

    def __init__(self, parameters: LineParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._windows = parameters.windows
        self._partition = Partition()
        self._counting, self._series = np.zeros(0, np.bool_), 0
        self._members: dict[Member, MemberState] = {}
        self._changed: set[Member] = set()
        self._heard: dict[Member, int] = {}
        self._shown: dict[Member, int] = {}
        self._new: set[Member] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"line-partials/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[Member, int]:
        """The watermark of each member that has one."""
        known = self._members.items()
        return {name: one.watermark for name, one in known if one.watermark != NEVER}

    def update(self, batch: SampleBatch) -> Output:
        """Take samples in; gives the partials of windows that closed.

        Raises:
            DecodeError: The batch's columns do not fit each other; nothing has changed.
        """
        batch.check()
        if not len(batch):
            return Output()
        streams, series = self._partition.translate(batch)
        level = self._partition.streams["watermark"]
        arrival = arrive(batch, streams, level, self._windows)
        level[arrival.streams] = arrival.watermark
        ahead = np.zeros(len(batch), np.bool_) if arrival.ahead is None else arrival.ahead
        late = np.zeros(len(batch), np.bool_) if arrival.late is None else arrival.late
        readings = self._readings(batch, series)
        self._queue(batch, streams, readings, ~(ahead | late))
        results: list[Result] = []
        for stream in arrival.streams.tolist():
            results += self._fold(self._partition.names[stream], int(level[stream]))
        lost = {CLOCK_AHEAD: ahead, TOO_LATE: late & readings}
        return Output(results, self._book(batch, lost))

    def _queue(
        self,
        batch: SampleBatch,
        streams: NDArray[np.int64],
        readings: _Mask,
        on_time: _Mask,
    ) -> None:
        """Have the readings and times of on-time samples wait for the watermark."""
        events: list[tuple[int, Event]] = []
        for place in np.flatnonzero(on_time & readings).tolist():
            tag = batch.series_names[int(batch.series[place])][2]
            event = (int(batch.time[place]), tag, float(batch.value[place]))
            events.append((int(batch.record[place]), event))
        first = np.flatnonzero(np.diff(batch.record, prepend=np.int32(-1)))
        heard = np.maximum.reduceat(np.where(on_time, batch.time, NEVER), first)
        records = zip(batch.record[first].tolist(), heard.tolist(), strict=True)
        events += [(record, (time, "", 0.0)) for record, time in records if time != NEVER]
        for record, event in sorted(events, key=lambda pair: pair[0]):
            name = self._partition.names[int(streams[record])]
            if name in self.parameters.line_of:
                self._members.setdefault(name, MemberState()).pending.append(event)

    def _readings(self, batch: SampleBatch, series: NDArray[np.int64]) -> _Mask:
        """Which samples are good readings of counters of pieces; text is none."""
        partition = self._partition
        count = int(partition.streams["width"].sum())
        if self._series < count:
            self._series, self._counting = count, np.zeros(count, np.bool_)
            named = zip(partition.names, partition.tags, partition.members, strict=True)
            for name, tags, numbers in named:
                counters = self.parameters.counters.get(name, {})
                self._counting[numbers] = [tag in counters for tag in tags]
        found: _Mask = self._counting[series] & batch.good
        return found & (batch.kind != Kind.TEXT) if len(batch.kind) else found

    def _fold(self, name: Member, watermark: int) -> list[Result]:
        line = self.parameters.line_of.get(name)
        if line is None or watermark == NEVER:
            return []
        one = self._members.setdefault(name, MemberState())
        one.watermark = watermark
        self._new.add(name)
        self._changed.add(name)
        one.fold(watermark, self._windows.sizes, self._windows.hold, self._counters_of(name))
        return [
            self._partial(line, name, one.watermark, closed, final=True)
            for closed in one.close(watermark)
        ]

    def _counters_of(self, name: Member) -> dict[str, Counter]:
        return self.parameters.counters.get(name, {})

    def _partial(
        self,
        line: LineMembers,
        name: Member,
        watermark: int,
        closed: tuple[int, int, Share],
        *,
        final: bool,
    ) -> Result:
        size, start, share = closed
        counted = {one.role for one in self._counters_of(name).values()}
        good, scrap, total = (
            share.pieces.get(role, 0.0) if role in counted else math.nan for role in PIECES
        )
        partial = LinePartial(
            line=line.line,
            asset=name[0],
            source=name[1],
            window_start=start,
            window_size=size,
            watermark=watermark,
            final=final,
            good=good,
            scrap=scrap,
            total=total,
            covered=share.covered,
        )
        return Result(line.line, partial)

    def _book(self, batch: SampleBatch, lost: Mapping[str, _Mask]) -> list[LateSamples]:
        """Count the samples; those that only move watermarks count as aggregated."""
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
        """Give what is known of quiet members, and their heartbeats; nothing else changes."""
        results: list[Result] = []
        frontier = time - self._windows.out_of_order - self._windows.hold
        for name, one in self._members.items():
            if name in self._new or name not in self._heard:
                self._heard[name], self._shown[name] = time, one.watermark
            elif time - self._heard[name] >= self._windows.hold and self._due(name, frontier):
                results += self._as_known(name, one, frontier)
                self._shown[name] = frontier
        self._new.clear()
        return Output(results)

    def _due(self, name: Member, frontier: int) -> bool:
        """Whether a window ends between what was shown of a member and this time."""
        shown, steps = self._shown[name], [one.step for one in self._windows.sizes]
        return frontier > shown and any(frontier // step > shown // step for step in steps)

    def _as_known(self, name: Member, one: MemberState, frontier: int) -> list[Result]:
        line, known = self.parameters.line_of[name], copy.deepcopy(one)
        known.fold(frontier, self._windows.sizes, self._windows.hold, self._counters_of(name))
        results = [
            self._partial(line, name, one.watermark, closed, final=False)
            for closed in known.close(frontier)
            if closed[0] + closed[1] > self._shown[name]
        ]
        heartbeat = (0, frontier, Share())
        return [*results, self._partial(line, name, one.watermark, heartbeat, final=False)]

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta` and `s/<asset>/<source>`."""
        if not self._anything:
            return {}
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        rows |= {_key(name): dump(self._members[name].dump()) for name in sorted(self._changed)}
        self._anything, self._changed = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = LinePartials(self.parameters)
        _, other.books = load_meta(self, rows)
        other._anything = not rows
        load_rows(rows, other._load)
        self.__dict__.update(other.__dict__)

    def _load(self, where: str, row: Any) -> None:
        asset, source = map(unquote, where.split("/")[1:])
        one = self._members[asset, source] = MemberState.load(row)
        stream = self._partition.stream_id((asset, source))
        self._partition.streams["watermark"][stream] = one.watermark


def _key(name: Member) -> str:
    return "s/" + "/".join(quote(part, safe="") for part in name)
