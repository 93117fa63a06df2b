"""One unit of a line: its panes, and what windows sum up of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.work_units import WorkUnit
from schemas import FailureTime, ProductionPartial, Version
from streams.operators.kpis.account import Failures, Times
from streams.operators.kpis.reliability import merged
from streams.operators.kpis.standing import beside_constraint, beside_own
from streams.operators.kpis.tally import Tally, most_flags, planned
from streams.operators.kpis.windows import ORDER, ROLLING, Window
from streams.operators.production.elements import UNKNOWN
from streams.operators.windows.parameters import NEVER

_HOUR: Final = 3_600_000_000
_FIRST: Final = Version(0, (), 0)


@dataclass(slots=True)
class Member:
    """What is known of one unit.

    Args:
        unit: The asset.
        every: Length of a pane, microseconds.
        level: Its event time.
        quiet: Up to when, by the wall clock, nothing more is expected of it.
        panes: Partials of the greatest version, by start.
        past: Of panes that are gone: setup and production time by hour, microseconds.
        failed: Of panes that are gone: the failures.
        orders: The panes in which it worked for each order.
        before: Of panes that are gone: what it did for each order that somebody works for yet.
        constraint: Beside whose time its pieces stand in the line's figures; None: its own.
    """

    unit: WorkUnit
    every: int
    level: int = NEVER
    quiet: int = NEVER
    panes: dict[int, ProductionPartial] = field(default_factory=dict)
    past: dict[int, int] = field(default_factory=dict)
    failed: list[FailureTime] = field(default_factory=list)
    orders: dict[str, set[int]] = field(default_factory=dict)
    before: dict[str, Tally] = field(default_factory=dict)
    constraint: "Member | None" = None

    @property
    def known(self) -> int:
        """Up to when all is known of it, as far as it will be."""
        return max(self.level, self.quiet)

    def take(self, partial: ProductionPartial) -> set[str] | None:
        """Take a partial; gives the orders that it no longer speaks of. None: it is not newer."""
        before = self.panes.get(partial.pane_start)
        if before is not None and _version(before) >= _version(partial):
            return None
        self.panes[partial.pane_start] = partial
        gone = _orders(before) - _orders(partial) if before else set()
        for order in gone:
            self.orders[order].discard(partial.pane_start)
        self.index(partial)
        return gone

    def index(self, partial: ProductionPartial) -> None:
        """Remember which orders it worked for in a pane."""
        for order in _orders(partial):
            self.orders.setdefault(order, set()).add(partial.pane_start)

    def worked(self, order: str, until: int) -> list[int]:
        """The panes, over by a time, in which it worked for an order."""
        return sorted(one for one in self.orders.get(order, ()) if one + self.every <= until)

    def going_on(self, time: int) -> set[str]:
        """The orders that it worked for in panes that begin after a time, and the one it shows."""
        worked = {
            order for order, starts in self.orders.items() if max(starts, default=time) > time
        }
        return worked | {self._shown(max(self.panes, default=NEVER))}

    def _shown(self, start: int) -> str:
        return self.panes[start].order if start in self.panes else ""

    def ended(self, order: str, floor: int) -> bool:
        """Whether it is known up to a time to show it no more, or never worked for it."""
        worked = self.orders.get(order)
        if not worked and order not in self.before:
            return True
        if worked and max(worked) + self.every > floor:
            return False
        known = [start for start in self.panes if start + self.every <= floor]
        return bool(known) and self._shown(max(known)) != order

    def passing(self, dropped: int) -> list[int]:
        """The panes that begin by a time; the newest, which tells the order it shows, stays."""
        newest = max(self.panes, default=NEVER)
        return sorted(start for start in self.panes if start <= dropped and start != newest)

    def settle(self, starts: Iterable[int]) -> None:
        """Keep of panes hours, failures, and what was done for orders."""
        for start in starts:
            self._settle(self.panes[start])

    def forget(self, gone: Sequence[int], oldest: int, orders: set[str]) -> None:
        """Forget panes, which are settled.

        Args:
            gone: Their starts.
            oldest: What was before this is forgotten altogether.
            orders: Those that go on, here or at another unit of the line.
        """
        for start in gone:
            del self.panes[start]
        self.failed = [one for one in self.failed if one.end > oldest]
        self.past = {hour: time for hour, time in self.past.items() if hour + _HOUR > oldest}
        for order, starts in list(self.orders.items()):
            starts.difference_update(gone)
            if not starts:
                del self.orders[order]
        self.before = {order: one for order, one in self.before.items() if order in orders}

    def _settle(self, partial: ProductionPartial) -> None:
        hour = partial.pane_start // _HOUR * _HOUR
        worked = sum(t.duration for t in partial.times if t.element in ("producing", "setup"))
        self.past[hour] = self.past.get(hour, 0) + worked
        self.failed = merged([*self.failed, *partial.failures], 0)
        for order in _orders(partial) - {""}:
            tally = self.before.setdefault(order, Tally(self.unit))
            self._add(tally, partial, NEVER, order)
            tally.flags = set(most_flags(tally.flags))

    def tally(self, window: Window, until: int) -> Tally:
        """What it did in a window, up to a time."""
        if window.kind == ORDER:
            before = self.before.get(window.name)
            tally = before.copy() if before else Tally(self.unit)
            for start in self.worked(window.name, until):
                self._add(tally, self.panes[start], window.start, window.name)
            return tally
        tally = Tally(self.unit)
        if window.kind == ROLLING:
            first = window.start
            for hour, worked in sorted(self.past.items()):
                if hour >= first:
                    key = ("producing", "planned")
                    tally.times[key] = tally.times.get(key, 0) + worked
            inside: Iterable[int] = (s for s in sorted(self.panes) if first <= s < until)
        else:
            inside = range(window.start, until, self.every)
        for start in inside:
            if (partial := self.panes.get(start)) is not None:
                self._add(tally, partial, window.start)
        tally.fill(window.start, until)
        return tally

    def _add(
        self, tally: Tally, partial: ProductionPartial, begin: int, order: str | None = None
    ) -> None:
        """Add a pane, or what of it is for one order, to what it did in a window from `begin`."""
        tally.add(partial, order)
        for pieces in partial.pieces:
            if order is None or pieces.order == order:
                share = beside_own(pieces, begin, states=self.unit.states is not None)
                tally.leave_out(self.unit.asset, pieces, 1.0 - share)
                if self.constraint is not None:
                    there = self.constraint.panes.get(partial.pane_start)
                    share = beside_constraint(pieces, partial, there, begin)
                    tally.leave_out(self.constraint.unit.asset, pieces, 1.0 - share)

    def unknown_beside(self, order: str, begin: int, end: int) -> Times:
        """The time between of which nothing is known, not even that it was an order's.

        Of what was before its oldest pane nobody can say it any more.
        """
        found: Times = {}

        def add(planning: str, time: int) -> None:
            if time > 0:
                found[UNKNOWN, planning] = found.get((UNKNOWN, planning), 0) + time

        first = max(begin, min(self.panes, default=end)) // self.every * self.every
        for start in range(first, end, self.every):
            low, high = max(start, begin), min(start + self.every, end)
            if (pane := self.panes.get(start)) is None:
                for planning, time in planned(self.unit.calendar, low, high).items():
                    add(planning, time)
                continue
            for one in pane.times:
                if one.element == UNKNOWN and one.order != order:
                    inside = min(one.end, high) - max(one.begin, low)
                    add(one.planning, min(one.duration, inside))
        return found

    def ended_unseen(self, order: str, tally: Tally) -> bool:
        """Whether nobody saw an order end: its state was not known before or after, or not heard.

        Args:
            order: The order.
            tally: What it did for it.
        """
        end = tally.end
        if end is None or self.unit.states is None:
            return False
        before, after = (self.panes.get(at // self.every * self.every) for at in (end - 1, end))
        if before is None:
            return False  # long ago
        last = [t for t in before.times if t.order == order and t.end == end]
        return any(t.element == UNKNOWN for t in last) or not _goes_on(after, order, end)

    def failures(self, window: Window, within: int) -> Failures:
        """Its failures in a window; those less than `within` apart are one."""
        parts = [f for p in self.panes.values() for f in p.failures if f.begin < window.end]
        found = merged([*self.failed, *parts], within)
        begun = [one for one in found if window.start <= one.begin < window.end]
        ended = [one for one in found if window.start < one.end < window.end]
        repair = sum(one.end - one.begin for one in ended) / 1e6
        return Failures(len(begun), len(ended), repair)


def _goes_on(pane: ProductionPartial | None, order: str, end: int) -> bool:
    """Whether a pane shows that something else came after an order: another one, or none.

    Where a link is lost, the order may be unknown a moment before the state is.
    """
    if pane is None:
        return False
    then = [t for t in pane.times if t.begin <= end < t.end and t.order != order]
    if any(t.order and t.element != UNKNOWN for t in then):
        return True
    lost = any(t.element == UNKNOWN and t.end > end for t in pane.times)
    return bool(then) and pane.order != order and not lost


def _orders(partial: ProductionPartial) -> set[str]:
    return {time.order for time in partial.times} | {one.order for one in partial.pieces}


def _version(partial: ProductionPartial) -> Version:
    return partial.version or _FIRST
