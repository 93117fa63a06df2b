"""What ERP is told of orders: what was made at each machine and line, beside what was planned.

It joins ERP's orders with the figures of orders that `line_kpis` finds: both are keyed by the
order. In whichever order they come, what is told in the end is the same.

**Messages.** When an order is first shown at a machine, or at any machine of a line, it is told as
*started*. When the machine, or every machine of the line that worked for it, has gone on to
something else, it is told as *completed*, with the pieces; of a machine that is not heard nobody
knows that it has gone on. Whatever changes afterwards, because samples came late or ERP changed the
order, is told again by the next revision; what says nothing new is not.

**Orders.** Of an order that ERP sends several times the greatest version counts. One that it has
not sent is told all the same, and flagged; if it comes later, the next revision has it.

**Forgetting.** An order is forgotten when others have ended `keep` later. Figures of one that was
shown before then are late.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote

import numpy as np

from penstock.errors import DecodeError
from penstock.operator import TOO_LATE, Books, LateSamples, Operator, Output, RecordBatch, Result
from schemas import OrderWindow, ProductionOrder
from streams.operators.orders.order import OrderState
from streams.operators.orders.parameters import OrderParameters
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows
from streams.operators.windows.parameters import NEVER

_TIME: Final = "time"
_ROW: Final = "o/"
_STEPS: Final = 16
"""Orders are looked through for old ones whenever time has gone on by this part of `keep`."""


class OrderPerformance(Operator[RecordBatch]):
    """Orders of one partition; the module's docstring says what is told of them.

    Args:
        parameters: Planned run times, and how long orders are kept.
    """

    state_format: ClassVar[int] = 2
    former_formats: ClassVar[tuple[int, ...]] = (1,)
    """Format 1 did not hold the flags of figures."""

    def __init__(self, parameters: OrderParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._orders: dict[str, OrderState] = {}
        self._gone = NEVER
        """Orders that ended by then are forgotten."""
        self._marks: dict[str, int] = {}
        self._changed: set[str] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"order-performance/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """Of each asset and line that has worked for an order its greatest watermark."""
        return {(unit, "orders"): mark for unit, mark in self._marks.items()}

    def update(self, batch: RecordBatch) -> Output:
        """Take orders and their figures in; gives what there is to tell.

        Raises:
            DecodeError: A record is neither; nothing has changed.
        """
        for record in batch.records:
            if not isinstance(record, OrderWindow | ProductionOrder):
                msg = "a record is no order, and no figures of one"
                raise DecodeError(msg, remedy="look at what else writes to the topic")
        late = np.zeros(len(batch), np.bool_)
        results: list[Result] = []
        for place, record in enumerate(batch.records):
            if isinstance(record, ProductionOrder):
                results += self._want(record)
            elif record.order:
                late[place] = record.end <= self._gone
                results += () if late[place] else self._make(record)
        lost = int(late.sum())
        self.books.samples_in += len(batch)
        self.books.late += lost
        self.books.aggregated += len(batch) - lost
        self._anything |= len(batch) > 0
        return Output(results, [LateSamples(late, TOO_LATE)] if lost else ())

    def _want(self, request: ProductionOrder) -> Iterable[Result]:
        state = self._orders.setdefault(request.order, OrderState())
        return self._tell(request.order, state) if state.want(request) else ()

    def _make(self, window: OrderWindow) -> Iterable[Result]:
        mark = self._marks.get(window.unit, window.watermark)
        self._marks[window.unit] = max(mark, window.watermark)
        state = self._orders.setdefault(window.order, OrderState())
        found = self._tell(window.order, state) if state.make(window) else ()
        self._forget(window.end)
        return found

    def _tell(self, order: str, state: OrderState) -> list[Result]:
        self._changed.add(order)
        return [Result(order, told) for told in state.news(self.parameters)]

    def _forget(self, end: int) -> None:
        """Forget what is old now that an order was shown up to a time."""
        step = max(self.parameters.keep // _STEPS, 1)
        gone = (end - self.parameters.keep) // step * step
        if gone > self._gone:
            self._gone = gone
            for order in [name for name, state in self._orders.items() if state.end <= gone]:
                del self._orders[order]
                self._changed.add(order)

    def advance(self, time: int) -> Output:
        """Nothing becomes due by the wall clock."""
        del time
        return Output()

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, `time` and `o/<order>`."""
        if not self._anything:
            return {}
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        rows[_TIME] = dump([self._gone, self._marks])
        for order in self._changed:
            state = self._orders.get(order)
            rows[_ROW + quote(order, safe="")] = None if state is None else dump(state.dump())
        self._anything, self._changed = False, set()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = OrderPerformance(self.parameters)
        fingerprint, other.books = load_meta(self, rows)
        former = self.is_former(fingerprint)
        other._anything = former or not rows
        load_rows(rows, other._load_former if former else other._load)
        if former:  # all rows are saved anew
            other._changed = set(other._orders)
        self.__dict__.update(other.__dict__)

    def _load_former(self, where: str, row: Any) -> None:
        if where != _TIME:
            for window, *_ in row[1]:
                window.insert(-1, [])
        self._load(where, row)

    def _load(self, where: str, row: Any) -> None:
        if where == _TIME:
            self._gone, self._marks = row
        else:
            self._orders[unquote(where.removeprefix(_ROW))] = OrderState.load(row)
