"""One line: the panes of its units, put together to windows, and what was published of them."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from hashlib import sha256
from typing import Final

from penstock.work_units import WorkUnit
from schemas import FailureTime, KpiInput, KpiWindow, ProductionPartial, TimeShare, Version
from streams.operators.kpis.account import Account, Failures
from streams.operators.kpis.failures import CONVENTIONS
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.reliability import merged
from streams.operators.kpis.tally import Tally, together
from streams.operators.kpis.windows import ORDER, ROLLING, SHIFT, Window
from streams.operators.windows.parameters import FOREVER, NEVER

_MOST_FLAGS: Final = 8
_HOUR: Final = 3_600_000_000
_FIRST: Final = Version(0, (), 0)

Key = tuple[str, Window]
"""Path of the asset or line, and its window."""


@dataclass(slots=True)
class Member:
    """What is known of one unit of the line.

    Args:
        unit: The asset.
        level: Its event time.
        quiet: Up to when, by the wall clock, nothing more is expected of it.
        panes: Partials of the greatest version, by start.
        past: Of panes that are gone: setup and production time by hour, microseconds.
        failed: Of panes that are gone: the failures.
    """

    unit: WorkUnit
    level: int = NEVER
    quiet: int = NEVER
    panes: dict[int, ProductionPartial] = field(default_factory=dict)
    past: dict[int, int] = field(default_factory=dict)
    failed: list[FailureTime] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Up to when all is known of it, as far as it will be."""
        return max(self.level, self.quiet)


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
    orders: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """By asset and order: the panes in which it was worked for."""
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
        self.members = {unit.asset: Member(unit) for unit in self.line.units}

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
        before = member.panes.get(start)
        if before is None or _version(before) < _version(partial):
            member.panes[start] = partial
            self.touched.add((partial.asset, start))
            self._index(partial, before)
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

    def known_of(self, unit: str) -> int:
        """Up to when a unit or the line is known."""
        return min((member.known for member in self._members_of(unit)), default=NEVER)

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
            record = self._record(unit, window, shown.revision + 1, overdue=overdue)
            digest = _digest(record)
            if digest != shown.digest:
                shown.revision, shown.digest, shown.final = record.revision, digest, record.final
                self.published.add((unit, window))
                found.append(record)
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
        return [key for key in self.shown.keys() | self.waiting if self._passed(key)]

    def _passed(self, key: Key) -> bool:
        """Whether a window lies before all that is kept."""
        unit, window = key
        if window.kind != ORDER:
            return window.end <= self.closed
        panes = (self.orders.get((m.unit.asset, window.name), ()) for m in self._members_of(unit))
        return all(start <= self.dropped for starts in panes for start in starts)

    def forget(self, keys: Iterable[Key]) -> None:
        """Forget windows, and the panes that no window needs; of these hours and failures stay."""
        for key in keys:
            self._lose(key)
        for asset, member in self.members.items():
            for start in [start for start in member.panes if start <= self.dropped]:
                self._settle(member, member.panes.pop(start))
                self.touched.add((asset, start))
            oldest = self.dropped - self.parameters.plan.rolling
            member.failed = [one for one in member.failed if one.end > oldest]
            for hour in [hour for hour in member.past if hour + _HOUR <= oldest]:
                del member.past[hour]
        for (asset, order), starts in list(self.orders.items()):
            starts.difference_update({start for start in starts if start <= self.dropped})
            if not starts:
                del self.orders[asset, order]

    def _lose(self, key: Key) -> None:
        self.waiting.discard(key)
        self.open.discard(key)
        if self.shown.pop(key, None) is not None:
            self.published.add(key)

    def _settle(self, member: Member, partial: ProductionPartial) -> None:
        hour = partial.pane_start // _HOUR * _HOUR
        worked = sum(t.duration for t in partial.times if t.element in ("producing", "setup"))
        member.past[hour] = member.past.get(hour, 0) + worked
        member.failed = merged([*member.failed, *partial.failures], 0)

    def _members_of(self, unit: str) -> list[Member]:
        mine = self.members.get(unit)
        return list(self.members.values()) if mine is None else [mine]

    def _index(self, partial: ProductionPartial, before: ProductionPartial | None) -> None:
        now = {time.order for time in partial.times} | {one.order for one in partial.pieces}
        old = set()
        if before is not None:
            old = {time.order for time in before.times} | {one.order for one in before.pieces}
        for order in now:
            self.orders.setdefault((partial.asset, order), set()).add(partial.pane_start)
        for order in old - now:
            self.orders[partial.asset, order].discard(partial.pane_start)
            self._touch_order(partial.asset, order)

    def _touch_order(self, asset: str, order: str) -> None:
        """A pane is no longer of an order: say so, unless nothing was ever said of the order."""
        if not order:
            return
        window = Window(ORDER, order, NEVER, FOREVER)
        for unit in (asset, self.line.line) if self.line.is_line else (asset,):
            members = self._members_of(unit)
            worked = any(self.orders.get((m.unit.asset, order)) for m in members)
            if worked or (unit, window) in self.shown:
                self.waiting.add((unit, window))
            else:
                self.waiting.discard((unit, window))

    def _wait(self, unit: WorkUnit, pane: int) -> None:
        """All windows of a unit, and of its line, that hold a pane have something new."""
        partial, plan = self.members[unit.asset].panes[pane], self.parameters.plan
        orders = sorted({time.order for time in partial.times})
        found = [(unit.asset, one) for one in plan.of_pane(pane, unit.calendar, orders)]
        found.append((unit.asset, plan.rolling_of(pane)))
        if found[-1][1].end <= self._floor(unit.asset):
            found += self._rolling_over(unit.asset, pane)
        if self.line.is_line:
            keeper = self.line.timekeepers[0] if self.line.timekeepers else unit
            windows = plan.of_pane(pane, keeper.calendar, orders)
            found += [(self.line.line, one) for one in windows]
        self.waiting.update(key for key in found if key[1].end > self.closed)

    def _rolling_over(self, asset: str, pane: int) -> list[Key]:
        """The published windows of failures that hold a pane which comes late."""
        return [
            (unit, window)
            for unit, window in self.shown
            if unit == asset and window.kind == ROLLING and window.start <= pane < window.end
        ]

    def recover(self) -> None:
        """After a restore: find the windows that wait, and those that are open."""
        self.open = {key for key, shown in self.shown.items() if not shown.final}
        for asset, member in self.members.items():
            for pane, partial in member.panes.items():
                self._index(partial, None)
                if pane > self._floor(self.line.line) - self.parameters.plan.longest:
                    self._wait(self.members[asset].unit, pane)
        self.waiting = {key for key in self.waiting if not self.ready(key)}
        for unit in (*self.members, self.line.line):
            self.floors[unit] = self._floor(unit)

    def _floor(self, unit: str) -> int:
        every = self.parameters.plan.every
        known = self.known_of(unit)
        return known if known == NEVER else known // every * every

    def ready(self, key: Key) -> bool:
        """Whether a window can be published."""
        unit, window = key
        floor = self._floor(unit)
        if window.kind == ORDER:
            members = self._members_of(unit)
            seen = any(self._worked(member, window.name, floor) for member in members)
            return seen or (key in self.shown and floor != NEVER)
        if window.kind == SHIFT:
            return floor > window.start
        return window.end <= floor

    def _record(self, unit: str, window: Window, revision: int, *, overdue: bool) -> KpiWindow:
        floor = self._floor(unit)
        overdue &= window.kind != ORDER
        until = window.end if overdue else min(window.end, floor)
        members = {m.unit.asset: m for m in self._members_of(unit)}
        tallies = {a: self._tally(m, window, until) for a, m in members.items()}
        start, end, final = window.start, window.end, floor >= window.end
        if window.kind == ORDER:
            start, end = self._order_bounds(unit, tallies)
            until = end
            for tally in tallies.values():
                tally.fill_order(start, end)
            final = all(self._ended(m, window.name, floor) for m in members.values())
        account, units = self._account(unit, window, tallies)
        levels = [member.level for member in members.values()]
        flags = sorted({flag for t in tallies.values() for flag in t.flags})[:_MOST_FLAGS]
        rolling = window.kind == ROLLING
        return KpiWindow(
            id=window.id(unit),
            scope="asset" if unit in self.members else "line",
            line=self.line.line,
            asset=unit if unit in self.members else None,
            kind=window.kind,
            name=window.name,
            production_day=window.day,
            window_start=start,
            window_end=end,
            until=until,
            final=final,
            incomplete=overdue and not final,
            missing=tuple(a for a, m in members.items() if overdue and m.known < window.end),
            watermark=min(levels),
            revision=revision,
            standard=self.parameters.standard,
            no_order_counts=self.parameters.no_order_counts,
            coverage=account.coverage,
            work_units=units,
            balance=tuple(
                TimeShare(*key, time) for key, time in sorted(account.times.items()) if time
            ),
            produced=account.produced,
            good=account.good,
            scrap=account.scrap,
            planned_run_time=account.planned_run,
            good_run_time=account.good_run,
            kpis={
                one.name: one.compute(account)
                for one in self.parameters.kpis
                if one.belongs_to(window.kind)
            },
            conventions=CONVENTIONS if rolling else {},
            flags=tuple(flags),
            inputs=tuple(_input(m, tallies[a]) for a, m in sorted(members.items())),
        )

    def _worked(self, member: Member, order: str, until: int) -> list[int]:
        """The panes, over by a time, in which a unit worked for an order."""
        starts = self.orders.get((member.unit.asset, order), ())
        return sorted(one for one in starts if one + self.parameters.plan.every <= until)

    def _tally(self, member: Member, window: Window, until: int) -> Tally:
        """What a unit did in a window, up to a time."""
        tally = Tally(member.unit)
        if window.kind == ORDER:
            for start in self._worked(member, window.name, until):
                tally.add(member.panes[start], window.name)
            return tally
        every = self.parameters.plan.every
        if window.kind == ROLLING:
            first = window.start
            for hour, worked in sorted(member.past.items()):
                if hour >= first:
                    key = ("producing", "planned")
                    tally.times[key] = tally.times.get(key, 0) + worked
            inside: Iterable[int] = (s for s in sorted(member.panes) if first <= s < until)
        else:
            inside = range(window.start, until, every)
        for start in inside:
            if (partial := member.panes.get(start)) is not None:
                tally.add(partial)
        tally.fill(window.start, until)
        return tally

    def _order_bounds(self, unit: str, tallies: Mapping[str, Tally]) -> tuple[int, int]:
        """When an order was first and last shown: at the constraint, if it was there."""
        keepers = {one.asset for one in self.line.timekeepers} if unit == self.line.line else set()
        shown = [t for t in tallies.values() if t.begin is not None]
        timed = [t for t in shown if t.unit.asset in keepers] or shown
        begins = [t.begin for t in timed if t.begin is not None]
        ends = [t.end for t in timed if t.end is not None]
        return min(begins, default=0), max(ends, default=0)

    def _account(
        self, unit: str, window: Window, tallies: Mapping[str, Tally]
    ) -> tuple[Account, int]:
        """The account of an asset or line, and of how many units its time is."""
        counts = self.parameters.no_order_counts
        if unit in self.members:
            tally = tallies[unit]
            failures = Failures()
            if window.kind == ROLLING:
                failures = self._failures(self.members[unit], window)
            execution = math.nan
            if window.kind == ORDER and tally.first is not None and tally.last is not None:
                execution = (tally.last - tally.first) / 1e6
            return _of_unit(tally, counts, failures, execution), 1
        return _of_line(self.line, tallies, counts, window)

    def _failures(self, member: Member, window: Window) -> Failures:
        parts = [f for p in member.panes.values() for f in p.failures if f.begin < window.end]
        within = self.parameters.same_failure_within
        found = merged([*member.failed, *parts], within)
        begun = [one for one in found if window.start <= one.begin < window.end]
        ended = [one for one in found if window.start < one.end < window.end]
        repair = sum(one.end - one.begin for one in ended) / 1e6
        return Failures(len(begun), len(ended), repair)

    def _ended(self, member: Member, order: str, floor: int) -> bool:
        """Whether a unit has gone on to another order."""
        worked = self.orders.get((member.unit.asset, order), set())
        if not worked or max(worked) + self.parameters.plan.every > floor:
            return not worked
        every = self.parameters.plan.every
        known = [start for start in member.panes if start + every <= floor]
        return bool(known) and member.panes[max(known)].order != order


def _input(member: Member, tally: Tally) -> KpiInput:
    return KpiInput(
        asset=member.unit.asset,
        panes=tally.panes,
        late=tally.late,
        watermark=member.level,
        partials_version=tally.version,
    )


def _of_unit(tally: Tally, counts: str, failures: Failures, execution: float) -> Account:
    return Account(
        times=tally.times,
        no_order_counts=counts,
        produced=tally.total(lambda one: one.produced),
        good=tally.total(lambda one: one.good),
        scrap=tally.total(lambda one: one.scrap),
        planned_run=tally.run_time(lambda one: one.produced),
        good_run=tally.run_time(lambda one: one.good),
        execution=execution,
        failures=failures,
    )


def _of_line(
    line: LineUnits, tallies: Mapping[str, Tally], counts: str, window: Window
) -> tuple[Account, int]:
    """Time at the constraint, or of all units side by side; good pieces at the output.

    A piece that any unit of a serial line scraps is lost to the line, so its produced pieces are
    the good ones at the output and the scrap of all units.
    """
    keepers = [tallies[unit.asset] for unit in line.timekeepers]
    parallel = line.flow == "parallel"
    outputs = [tallies[line.output.asset]] if line.output else list(tallies.values())
    if not parallel and line.output is None:
        outputs = []
    losing = list(tallies.values())
    good = _sum(t.total(lambda one: one.good) for t in outputs)
    scrap = _sum(t.total(lambda one: one.scrap) for t in losing if t.counts)
    by = None if parallel else line.constraint
    good_run = _sum(t.run_time(lambda one: one.good, by) for t in outputs)
    scrap_run = _sum(t.run_time(lambda one: one.scrap, by) for t in losing if t.counts)
    if not parallel and line.constraint is None:
        good_run = math.nan
    begun = [t.first for t in tallies.values() if t.first is not None]
    ended = [t.last for t in tallies.values() if t.last is not None]
    execution = math.nan
    if window.kind == ORDER and begun:
        execution = (max(ended) - min(begun)) / 1e6
    account = Account(
        times=together(keepers),
        no_order_counts=counts,
        produced=good + scrap,
        good=good,
        scrap=scrap,
        planned_run=good_run + scrap_run,
        good_run=good_run,
        execution=execution,
    )
    return account, len(keepers)


def _sum(figures: Iterable[float]) -> float:
    """NaN of nothing, and of what is not known."""
    known = list(figures)
    return math.fsum(known) if known else math.nan


def _version(partial: ProductionPartial) -> Version:
    return partial.version or _FIRST


def _digest(record: KpiWindow) -> str:
    """What makes a result worth publishing again."""
    leave = ("watermark", "revision", "inputs", "kpis")
    said = [getattr(record, name) for name in record.__slots__ if name not in leave]
    inputs = [
        [one.asset, one.panes, one.late, astuple(one.partials_version)] for one in record.inputs
    ]
    kpis = sorted(record.kpis.items())
    return sha256(json.dumps([said, inputs, kpis]).encode()).hexdigest()[:16]
