"""One line: which windows of it and of its units wait, and what was published of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.work_units import WorkUnit
from schemas import KpiWindow, ProductionPartial
from streams.operators.kpis.member import Member
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.record import digest, record
from streams.operators.kpis.windows import ORDER, ROLLING, SHIFT, Window, order_window
from streams.operators.windows.parameters import NEVER

Key = tuple[str, Window]
"""Path of the asset or line, and its window."""


@dataclass(slots=True)
class Shown:
    """What was published of a window: how often, and a digest of the last time."""

    revision: int = 0
    digest: str = ""
    final: bool = False


@dataclass(slots=True)
class LineKpis:
    """What is known of a line.

    Args:
        line: Its units.
        parameters: Windows and conventions.
    """

    line: LineUnits
    parameters: KpiParameters
    members: dict[str, Member] = field(init=False)
    shown: dict[Key, Shown] = field(default_factory=dict)
    waiting: set[Key] = field(default_factory=set)
    """Windows that have something new."""
    dropped: int = NEVER
    """Panes that begin by then are gone."""
    closed: int = NEVER
    """Windows that end by then are gone."""
    open: set[Key] = field(default_factory=set)
    """Windows that were published and are not final."""
    floors: dict[str, int] = field(default_factory=dict)
    """Up to which pane each unit was known when it was last looked at."""
    touched: set[tuple[str, int]] = field(default_factory=set)
    """Assets and panes that changed since they were last saved."""
    published: set[Key] = field(default_factory=set)
    """Windows that changed since they were last saved."""

    def __post_init__(self) -> None:
        every = self.parameters.plan.every
        self.members = {unit.asset: Member(unit, every) for unit in self.line.units}
        for member in self.members.values():
            keeper = self.members[self.line.keeper(member.unit).asset]
            member.constraint = None if keeper is member else keeper

    def take(self, partial: ProductionPartial) -> bool:
        """Take a partial of a unit; False: its pane is gone."""
        member = self.members[partial.asset]
        member.level = max(member.level, partial.watermark)
        if not partial.pane_size:
            member.quiet = max(member.quiet, partial.pane_start)
            return True
        start = partial.pane_start
        if start <= self.dropped:
            return False
        gone = member.take(partial)
        if gone is not None:
            self.touched.add((partial.asset, start))
            for key in self._orders_of(partial.asset, gone):
                if key in self.shown:
                    self.waiting.add(key)
                elif not any(one.orders.get(key[1].name) for one in self._members_of(key[0])):
                    self.waiting.discard(key)  # nothing was ever said of it
            self._wait(member.unit, start)
            self.waiting |= {key for key in self.open if key[1].kind == ORDER}
        return True

    def due(self) -> list[Key]:
        """The windows that can say something new: those that wait, and those still open."""
        for unit in (*self.members, self.line.line):
            if (floor := self._floor(unit)) != self.floors.get(unit):
                self.floors[unit] = floor
                self.waiting |= {key for key in self.open if key[0] == unit}
        return [key for key in self.waiting if self.ready(key)]

    def overdue(self) -> list[Key]:
        """The line's waiting windows that some units are known of up to their end, others not."""
        latest = max((member.known for member in self.members.values()), default=NEVER)
        return [
            (unit, window)
            for unit, window in self.waiting
            if unit == self.line.line and window.end <= latest and window.end > self._floor(unit)
        ]

    def ready(self, key: Key) -> bool:
        """Whether a window can be published."""
        unit, window = key
        floor = self._floor(unit)
        if window.kind == ORDER:
            seen = any(one.worked(window.name, floor) for one in self._members_of(unit))
            return seen or (key in self.shown and floor != NEVER)
        if window.kind == SHIFT:
            return floor > window.start
        return window.end <= floor

    def publish(self, keys: Iterable[Key], *, overdue: bool = False) -> list[KpiWindow]:
        """The next revision of those of these windows that say something new.

        Args:
            keys: The windows.
            overdue: Whether to do without the units that are not known up to their end.
        """
        found = []
        for unit, window in sorted(keys, key=lambda key: (key[1].end, key)):
            self.waiting.discard((unit, window))
            shown = self.shown.setdefault((unit, window), Shown())
            news = record(
                self.parameters,
                self.line,
                self.members.get(unit),
                {one.unit.asset: one for one in self._members_of(unit)},
                window,
                floor=self._floor(unit),
                revision=shown.revision + 1,
                overdue=overdue,
            )
            said = digest(news)
            if said != shown.digest:
                shown.revision, shown.digest, shown.final = news.revision, said, news.final
                self.published.add((unit, window))
                found.append(news)
            (self.open.discard if shown.final else self.open.add)((unit, window))
        return found

    def expired(self) -> list[Key] | None:
        """The windows that nothing can reach any more; None: it is as before."""
        level = min((m.level for m in self.members.values() if m.level != NEVER), default=NEVER)
        if level == NEVER:
            return None
        parameters = self.parameters
        horizon = level - parameters.reopen_for - 2 * parameters.plan.every
        kept = horizon - parameters.plan.longest
        if kept // parameters.plan.every <= self.dropped // parameters.plan.every:
            return None
        self.dropped, self.closed = kept, horizon
        going_on = self._going_on()
        return [
            (unit, window)
            for unit, window in self.shown.keys() | self.waiting
            if (window.name not in going_on if window.kind == ORDER else window.end <= self.closed)
        ]

    def _going_on(self) -> set[str]:
        """The orders that a unit has worked for in panes that are kept, or shows."""
        return {order for one in self.members.values() for order in one.going_on(self.dropped)}

    def forget(self, keys: Iterable[Key]) -> None:
        """Forget windows, and the panes that none needs, but for what `Member.forget` keeps."""
        for key in keys:
            self.waiting.discard(key)
            self.open.discard(key)
            if self.shown.pop(key, None) is not None:
                self.published.add(key)
        oldest = self.dropped - self.parameters.plan.rolling
        orders = self._going_on()
        gone = {asset: one.passing(self.dropped) for asset, one in self.members.items()}
        for asset, member in self.members.items():  # while the constraint's panes are there
            member.settle(gone[asset])
        for asset, member in self.members.items():
            member.forget(gone[asset], oldest, orders)
            self.touched |= {(asset, start) for start in gone[asset]}

    def save_all(self) -> None:
        """Have all panes and windows saved anew."""
        self.touched = {(asset, pane) for asset, one in self.members.items() for pane in one.panes}
        self.published = set(self.shown)

    def recover(self) -> None:
        """After a restore: find the windows that wait, and those that are open."""
        self.open = {key for key, shown in self.shown.items() if not shown.final}
        for member in self.members.values():
            for pane, partial in member.panes.items():
                member.index(partial)
                if pane > self._floor(self.line.line) - self.parameters.plan.longest:
                    self._wait(member.unit, pane)
        self.waiting = {key for key in self.waiting if not self.ready(key)}
        for unit in (*self.members, self.line.line):
            self.floors[unit] = self._floor(unit)

    def _orders_of(self, asset: str, orders: Iterable[str]) -> list[Key]:
        """The windows of orders, of an asset and of its line."""
        units = [asset, self.line.line] if self.line.is_line else [asset]
        return [(unit, order_window(order)) for order in orders if order for unit in units]

    def _wait(self, unit: WorkUnit, pane: int) -> None:
        """All windows of a unit, and of its line, that hold a pane have something new."""
        partial, plan = self.members[unit.asset].panes[pane], self.parameters.plan
        before = self.members[unit.asset].panes.get(pane - plan.every)  # an order may end between
        times = (*partial.times, *(before.times if before else ()))
        orders = sorted({time.order for time in times})
        found = [(unit.asset, one) for one in plan.of_pane(pane, unit.calendar, orders)]
        rolling = plan.rolling_of(pane)
        found.append((unit.asset, rolling))
        if rolling.end <= self._floor(unit.asset):
            found += [key for key in self.shown if key[0] == unit.asset and _holds(key[1], pane)]
        if self.line.is_line:
            keeper = self.line.timekeepers[0] if self.line.timekeepers else unit
            panes = (one.panes.get(pane) for one in self.members.values())
            at_line = {time.order for one in panes if one for time in one.times} | {*orders}
            windows = plan.of_pane(pane, keeper.calendar, sorted(at_line))
            found += [(self.line.line, one) for one in windows]
        self.waiting.update(key for key in found if key[1].end > self.closed)

    def _members_of(self, unit: str) -> list[Member]:
        mine = self.members.get(unit)
        return list(self.members.values()) if mine is None else [mine]

    def _floor(self, unit: str) -> int:
        """Up to which pane's end a unit or the line is known."""
        every = self.parameters.plan.every
        known = min((member.known for member in self._members_of(unit)), default=NEVER)
        return known if known == NEVER else known // every * every


def _holds(window: Window, pane: int) -> bool:
    """Whether a window of failures holds a pane."""
    return window.kind == ROLLING and window.start <= pane < window.end
