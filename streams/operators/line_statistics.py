"""Statistics of lines over event-time windows, from their members' partials: the second stage.

**Partials.** Of each member and window the partial of the greatest version is kept, and a window is
summed up anew from them: what comes twice, or is revised, needs no retraction, and the order in
which partials come makes no difference.

**Closing.** A window is published when every *declared* member is known up to its end: by its
watermark, or by a heartbeat if it is quiet. It is published again, with the next revision, whenever
it has something new to say.

**Deadline.** A window that a member is missing from is published as `incomplete` by `advance`, when
the wall clock has moved by `deadline` since `advance` first saw it; what comes later revises it.

**Dropping.** A window is kept until the event time of all members that were ever heard is its end +
`reopen_for`, and published at the latest then; a partial that comes for it later is late. So no
wall clock ever drops anything: while a member is quiet or behind, the windows that it may still
revise are kept.

**At the output.** `good`, `scrap` and `total` are the pieces of the members at the line's output:
a line is not the sum of its machines.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DecodeError
from penstock.operator import TOO_LATE, Books, LateSamples, Operator, Output, RecordBatch, Result
from schemas import LinePartial
from streams.operators.lines.combined import LineState, Window, dump_window, load_window
from streams.operators.lines.parameters import LineParameters
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows


class LineStatistics(Operator[RecordBatch]):
    """Statistics of one partition's lines; the module's docstring says what they mean.

    Args:
        parameters: Windows and lines.
    """

    state_format: ClassVar[int] = 1

    def __init__(self, parameters: LineParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        reopen_for = {one.size: one.reopen_for for one in parameters.windows.sizes}
        self._lines = {one.line: LineState(one, reopen_for) for one in parameters.lines}
        self._waiting: dict[tuple[str, Window], int] = {}
        self._changed: set[tuple[str, Window | None]] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"line-statistics/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each member of each line."""
        lines = self._lines.values()
        return {name: level for one in lines for name, level in one.watermarks.items()}

    def update(self, batch: RecordBatch) -> Output:
        """Take partials in; gives the windows that closed or were revised.

        Raises:
            DecodeError: A record is no partial; nothing has changed.
        """
        self._check(batch)
        gone, strange = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
        touched: dict[str, set[Window]] = {}
        results: list[Result] = []
        for place, partial in enumerate(batch.records):
            state = self._lines.get(partial.line)
            if state is None or not self._belongs(partial):
                strange[place] = True
                continue
            gone[place] = not state.take(partial)
            touched.setdefault(partial.line, set()).add((partial.window_size, partial.window_start))
            results += self._expire(partial.line, state)
        for line in sorted(touched):
            state = self._lines[line]
            self._changed |= {(line, name) for name in touched[line]} | {(line, None)}
            results += self._publish(line, state, state.due(touched[line]))
        return Output(results, self._book({TOO_LATE: gone, "no member of the line": strange}))

    def _check(self, batch: RecordBatch) -> None:
        for partial in batch.records:
            right = isinstance(partial, LinePartial) and partial.version is not None
            if not right or partial.window_size < 0 or partial.covered < 0:
                msg = "a record is no partial of a line"
                raise DecodeError(msg, remedy="look at what else writes to the topic")

    def _belongs(self, partial: LinePartial) -> bool:
        line = self.parameters.line_of.get((partial.asset, partial.source))
        sizes = [0, *(one.size for one in self.parameters.windows.sizes)]
        return line is not None and line.line == partial.line and partial.window_size in sizes

    def _expire(self, line: str, state: LineState) -> list[Result]:
        """Publish the last of windows that nothing can reach any more, and forget them."""
        names = state.expired()
        results = self._publish(line, state, names)
        for name in names:
            del state.windows[name]
            self._waiting.pop((line, name), None)
        return results

    def _publish(self, line: str, state: LineState, names: Iterable[Window]) -> list[Result]:
        names = list(names)
        self._changed |= {(line, name) for name in names}
        return [Result(line, found) for found in state.publish(names)]

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
        for line, state in self._lines.items():
            due = []
            for name, window in state.windows.items():
                if window.shown is None:
                    since = self._waiting.setdefault((line, name), time)
                    if time - since >= self.parameters.deadline:
                        due.append(name)
                        del self._waiting[line, name]
            results += self._publish(line, state, due)
        self._anything |= bool(results)
        return Output(results)

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, `l/<line>` and `w/<size>/<start>/<line>`."""
        if not self._anything:
            return {}
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        for line, name in self._changed:
            state, end = self._lines[line], quote(line, safe="")
            if name is None:
                rows[f"l/{end}"] = dump(state.dump())
            elif name[0]:
                window = state.windows.get(name)
                row = None if window is None else dump(dump_window(window))
                rows[f"w/{name[0]}/{name[1]}/{end}"] = row
        self._anything, self._changed = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = LineStatistics(self.parameters)
        _, other.books = load_meta(self, rows)
        other._anything = not rows
        load_rows(rows, other._load)
        self.__dict__.update(other.__dict__)

    def _load(self, where: str, row: Any) -> None:
        kind, *name, end = where.split("/")
        state = self._lines[unquote(end)]
        if kind == "l":
            state.load(row)
        else:
            window = (int(name[0]), int(name[1]))
            state.windows[window] = load_window(state.line, window, row)
