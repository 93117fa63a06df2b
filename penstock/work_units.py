"""The work units of a plant: the assets whose time and pieces are followed, and how they tell them.

An asset is a work unit if it has `states`, or a counter of pieces. One that is in no line is a line
of its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.lines import PIECES, Counter, line_of
from penstock.settings.plant import Plant
from penstock.settings.production import RULE, States
from penstock.settings.tags import Role, Tag
from penstock.shifts import ShiftCalendar, calendars_of
from penstock.units import microseconds, parse_duration

CONDITION: Final = "condition"
"""What the tag of a rule is followed as."""
_FOLLOWED: Final = (Role.STATE, Role.MODE, Role.ORDER, Role.PRODUCT, Role.REASON)

Name = tuple[str, str]
"""(source, tag)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a signal says that a machine produces: it compares so, for at least `duration`."""

    tag: str
    comparison: str
    limit: float
    duration: int

    def holds(self, value: float) -> bool:
        """Whether a value is on the producing side of the limit."""
        match self.comparison:
            case "<":
                return value < self.limit
            case "<=":
                return value <= self.limit
            case ">":
                return value > self.limit
            case _:
                return value >= self.limit


@dataclass(frozen=True)
class WorkUnit:
    """An asset as KPIs see it.

    Args:
        asset: Its full path.
        line: Its line's full path; its own if it is in none.
        tracks: What each of its tags is followed as: a `Role`'s value, or `CONDITION`.
        counters: Its counters of pieces.
        states: What its states mean; None: only pieces are known.
        rule: What says that it produces, where that is a signal.
        calendar: When it is planned to produce; None: always.
        run_times: Seconds per unit (PRU) by product; of the empty product: of every other.
    """

    asset: str
    line: str
    tracks: Mapping[Name, str]
    counters: Mapping[Name, Counter]
    states: States | None = None
    rule: Rule | None = None
    calendar: ShiftCalendar | None = None
    run_times: Mapping[str, float] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """The sources that tell of it."""
        return sorted({source for source, _ in self.tracks})

    @property
    def state_source(self) -> str | None:
        """The source that tells its state; while that is silent, nothing is known."""
        wanted = CONDITION if self.rule else Role.STATE.value
        return next((name[0] for name, one in self.tracks.items() if one == wanted), None)

    def run_time(self, product: str) -> float | None:
        """Planned run time per unit (PRU) of a product, seconds; None if nobody said."""
        return self.run_times.get(product, self.run_times.get(""))

    @property
    def text(self) -> str:
        """All of it in one line."""
        states = self.states.model_dump_json() if self.states else ""
        counters = [[*name, c.role, c.maximum] for name, c in sorted(self.counters.items())]
        tracks = [[*name, role] for name, role in sorted(self.tracks.items())]
        calendar = self.calendar.text if self.calendar else ""
        times = sorted(self.run_times.items())
        return json.dumps([self.asset, self.line, tracks, counters, states, calendar, times])


def work_units(plant: Plant) -> list[WorkUnit]:
    """The work units, by path."""
    rows: dict[str, list[tuple[str, Tag]]] = {}
    for source, tags in plant.tags.items():
        for tag in tags:
            rows.setdefault(tag.asset, []).append((source, tag))
    calendars = calendars_of(plant)
    found = [_unit(plant, asset, rows[asset], calendars) for asset in sorted(rows)]
    return [one for one in found if one.states or one.counters]


def _unit(
    plant: Plant,
    asset: str,
    rows: list[tuple[str, Tag]],
    calendars: Mapping[str, ShiftCalendar],
) -> WorkUnit:
    settings = plant.assets.get(asset)
    states = plant.states[settings.states] if settings and settings.states else None
    rule = rule_of(states) if states else None
    counters = {
        (source, tag.tag): Counter(tag.role.value, tag.max)
        for source, tag in rows
        if tag.role in PIECES
    }
    line = line_of(plant, asset)
    return WorkUnit(
        asset=plant.asset_path(asset),
        line=plant.asset_path(line or asset),
        tracks=_tracks(rows, states, rule) | {name: one.role for name, one in counters.items()},
        counters=counters,
        states=states,
        rule=rule,
        calendar=calendars[settings.calendar] if settings and settings.calendar else None,
        run_times={p: s for (p, of), s in plant.run_times.items() if of == asset},
    )


def told_by(role: Role, states: States | None, tags: Sequence[Tag]) -> Tag | None:
    """The tag of an asset that tells what a role is for: the one that its states name, or has it.

    Args:
        role: The role.
        states: What the asset's states mean.
        tags: All of the asset's.
    """
    named = {Role.STATE: states.state, Role.MODE: states.mode} if states else {}
    by_name = (tag for tag in tags if tag.tag == named.get(role))
    return next(by_name, next((tag for tag in tags if tag.role is role), None))


def _tracks(
    rows: list[tuple[str, Tag]], states: States | None, rule: Rule | None
) -> dict[Name, str]:
    """What tells state, mode, order, product and reason: one tag each."""
    found: dict[Name, str] = {}
    for role in _FOLLOWED:
        told = told_by(role, states, [tag for _, tag in rows])
        found |= {(source, tag.tag): role.value for source, tag in rows if tag is told}
    if rule:
        found |= {(source, tag.tag): CONDITION for source, tag in rows if tag.tag == rule.tag}
    return found


def rule_of(states: States) -> Rule | None:
    """What says that a machine produces, where that is a signal."""
    if states.producing_when is None:
        return None
    found = re.fullmatch(RULE, states.producing_when)
    assert found is not None, "settings were checked"
    duration = parse_duration(found["duration"]) if found["duration"] else None
    held = microseconds(duration) if duration else 0
    return Rule(found["tag"], found["comparison"], float(found["limit"]), held)
