"""KPIs of assets and lines, from the assets' panes: the second of two stages.

**Panes.** Of each asset and pane the partial of the greatest version counts, and every window is
summed up anew from its panes: what comes twice, or is revised, needs no retraction, and the order
in which partials come makes no difference. No ratio is ever a mean of ratios.

**Windows.** The configured sizes, a sliding window, the shifts of the calendar, each order, and a
long rolling one for failures. Shifts and orders are published while they run, up to `until`.

**Lines.** A serial line's time is that of its constraint; its good pieces are those at its output,
its scrap that of all its units. A parallel line sums up its units. A line's window is published
when every one of its units is known up to its end: by its watermark, or by a heartbeat.

**Silences.** Pieces are in PQ, GQ and SQ of the window in which they are first read. In
Σ PRU × pieces, and with it in effectiveness, OEE and the quality ratio, they are as far as they
stand against known time of the window: those that nobody saw being made only for the while after
what was heard last in which values hold (`since`, `known_until`), those that show while the state
is not known not at all. In a line's figures the time is its constraint's: of a pane in which that
is known for a shorter time than the unit that counts, as large a part of the pieces counts.

**Deadline.** A line's window that an asset is missing from is published as `incomplete` by
`advance`, when the wall clock has moved by `deadline` since `advance` first saw it; what comes
later revises it.

**Dropping** is by event time alone: panes and windows are kept until all assets of the line that
were ever heard are `reopen_for` beyond them. What panes that are gone told of an order that goes on
is kept as a sum: orders may take as long as they like. One that no unit of the line has worked for,
or shows, for a day and `reopen_for` begins anew, at the line and at its units.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DecodeError
from penstock.operator import TOO_LATE, Books, LateSamples, Operator, Output, RecordBatch, Result
from schemas import KpiWindow, ProductionPartial
from streams.operators.kpis.former_rows import as_today
from streams.operators.kpis.line import Key, LineKpis, Shown
from streams.operators.kpis.parameters import KpiParameters
from streams.operators.kpis.rows import dump_partial, line_row, load_line, load_partial
from streams.operators.kpis.windows import ORDER, Window
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows


class LineKpiOperator(Operator[RecordBatch]):
    """KPIs of one partition's lines; the module's docstring says what they mean.

    Args:
        parameters: Lines, windows, figures and conventions.
    """

    state_format: ClassVar[int] = 3
    former_formats: ClassVar[tuple[int, ...]] = (1, 2)

    def __init__(self, parameters: KpiParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._lines = {one.line: LineKpis(one, parameters) for one in parameters.lines}
        self._since: dict[tuple[str, Key], int] = {}
        self._changed: set[str] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"line-kpis/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each asset that was heard, by line."""
        return {
            (line, asset): member.level
            for line, state in self._lines.items()
            for asset, member in state.members.items()
            if member.level > -(1 << 62)
        }

    def update(self, batch: RecordBatch) -> Output:
        """Take partials in; gives the windows that closed, went on or were revised.

        Raises:
            DecodeError: A record is no partial; nothing has changed.
        """
        self._check(batch)
        gone, strange = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
        touched: set[str] = set()
        results: list[Result] = []
        for place, partial in enumerate(batch.records):
            if not self._belongs(partial):
                strange[place] = True
                continue
            state = self._lines[partial.line]
            gone[place] = not state.take(partial)
            touched.add(partial.line)
            results += self._expire(state)
        for line in sorted(touched):
            results += _results(self._lines[line].publish(self._lines[line].due()))
        self._changed |= touched
        return Output(results, self._book({TOO_LATE: gone, "no work unit of the line": strange}))

    def _check(self, batch: RecordBatch) -> None:
        for partial in batch.records:
            right = isinstance(partial, ProductionPartial) and partial.version is not None
            if not right or partial.pane_size < 0:
                msg = "a record is no partial of production"
                raise DecodeError(msg, remedy="look at what else writes to the topic")

    def _belongs(self, partial: ProductionPartial) -> bool:
        line = self.parameters.line_of.get(partial.asset)
        every = self.parameters.plan.every
        fits = partial.pane_size in (0, every)
        fits &= not partial.pane_size or partial.pane_start % every == 0
        return line is not None and line.line == partial.line and fits

    def _expire(self, state: LineKpis) -> list[Result]:
        """Publish the last of windows that nothing can reach any more, and forget them."""
        names = state.expired()
        if names is None:
            return []
        waiting = set(names) & (state.waiting | state.open)
        ready = [key for key in waiting if state.ready(key)]
        found = state.publish(ready) + state.publish(waiting - set(ready), overdue=True)
        state.forget(names)
        return _results(found)

    def _book(self, lost: Mapping[str, NDArray[np.bool_]]) -> list[LateSamples]:
        """Count the partials."""
        found = [LateSamples(mask, reason) for reason, mask in lost.items() if mask.any()]
        taken = len(next(iter(lost.values())))
        outside = sum(int(one.mask.sum()) for one in found)
        self.books.samples_in += taken
        self.books.late += outside
        self.books.aggregated += taken - outside
        self._anything = True
        return found

    def advance(self, time: int) -> Output:
        """Publish the windows whose deadline has passed, as incomplete; nothing else changes."""
        results: list[Result] = []
        waiting: dict[tuple[str, Key], int] = {}
        for line, state in self._lines.items():
            due = []
            for key in state.overdue():
                since = self._since.get((line, key), time)
                if time - since >= self.parameters.deadline:
                    due.append(key)
                else:
                    waiting[line, key] = since
            if due:
                results += _results(state.publish(due, overdue=True))
                self._changed.add(line)
        self._since = waiting
        self._anything |= bool(results)
        return Output(results)

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, `l/<line>`, `p/<pane>/<asset>` and `w/<kind>/<name>/<start>/<unit>`."""
        if not self._anything:
            return {}
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        for line in sorted(self._changed):
            state = self._lines[line]
            rows[f"l/{quote(line, safe='')}"] = dump(line_row(state))
            for asset, pane in sorted(state.touched):
                partial = state.members[asset].panes.get(pane)
                row = None if partial is None else dump(dump_partial(partial))
                rows[f"p/{pane}/{quote(asset, safe='')}"] = row
            for key in state.published:
                shown = state.shown.get(key)
                rows[_row_of(key)] = None if shown is None else dump(_dump_shown(line, key, shown))
            state.touched, state.published = set(), set()
        self._anything, self._changed = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = LineKpiOperator(self.parameters)
        fingerprint, other.books = load_meta(self, rows)
        other._anything = not rows
        former = self.is_former(fingerprint)
        load_rows(rows, other._load_former if former else other._load)
        for state in other._lines.values():
            state.recover()
        if former:  # all rows are saved anew
            other._anything, other._changed = True, set(other._lines)
            for state in other._lines.values():
                state.save_all()
        self.__dict__.update(other.__dict__)

    def _load_former(self, where: str, row: Any) -> None:
        self._load(where, as_today(where, row))

    def _load(self, where: str, row: Any) -> None:
        if where.startswith("l/"):
            load_line(self._lines[unquote(where[2:])], row)
        elif where.startswith("p/"):
            asset = unquote(where.rpartition("/")[2])
            line = self.parameters.line_of[asset]
            partial = load_partial(line.line, asset, row)
            self._lines[line.line].members[asset].panes[partial.pane_start] = partial
        else:
            line_path, unit, window, shown = row
            self._lines[line_path].shown[unit, Window(*window)] = Shown(*shown)


def _results(found: list[KpiWindow]) -> list[Result]:
    """Orders' figures are keyed by the order, all others by the line."""
    return [Result(one.name if one.kind == ORDER else one.line, one) for one in found]


def _row_of(key: Key) -> str:
    unit, window = key
    name = quote(window.name, safe="")
    return f"w/{window.kind}/{name}/{window.start}/{quote(unit, safe='')}"


def _dump_shown(line: str, key: Key, shown: Shown) -> list[Any]:
    return [line, key[0], list(key[1]), [shown.revision, shown.digest, shown.final]]
