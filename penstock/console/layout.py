"""The plant as the page shows it: lines, their machines, and what each tag is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.settings.plant import Plant
from penstock.settings.production import States
from penstock.settings.tags import Role, Tag
from penstock.work_units import told_by

NO_LINE: Final = ""
"""The path under which machines stand that are in no line."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine and its tags, by name."""

    path: str
    states: States | None
    tags: Mapping[str, Tag]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def named(self, role: Role) -> str | None:
        """The tag that tells what a role is for."""
        tag = told_by(role, self.states, list(self.tags.values()))
        return None if tag is None else tag.tag

    def activity(self, state: float | None, mode: float | None) -> str:
        """Where its time goes now, as `States` says: producing, setup, delay, failure, …."""
        if self.states is None or self.states.state is None or state is None:
            return "unknown"
        states, code = self.states, round(state)
        if mode is not None and round(mode) in states.setup_modes:
            return "setup"
        lists = ("producing", "delay", "failure", "no_order")
        found = (name for name in lists if code in getattr(states, name))
        return next(found, str(states.unmapped))


@dataclass(frozen=True, slots=True)
class Layout:
    """Lines by path, each with its machines in the order of the configuration."""

    site: str
    lines: Mapping[str, tuple[Machine, ...]]
    machines: Mapping[str, Machine] = field(init=False)

    def __post_init__(self) -> None:
        found = {machine.path: machine for line in self.lines.values() for machine in line}
        object.__setattr__(self, "machines", found)


def layout(plant: Plant) -> Layout:
    """The lines and machines of a configuration."""
    tags: dict[str, dict[str, Tag]] = {asset: {} for asset in plant.assets}
    for rows in plant.tags.values():
        for tag in rows:
            tags.setdefault(tag.asset, {})[tag.tag] = tag
    lines: dict[str, list[Machine]] = {plant.asset_path(line): [] for line in plant.lines}
    for asset, named in tags.items():
        inside = [line for line in plant.lines if asset.startswith(f"{line}/")]
        line = plant.asset_path(max(inside, key=len)) if inside else NO_LINE
        chosen = plant.assets[asset].states if asset in plant.assets else None
        states = plant.states.get(chosen) if chosen else None
        lines.setdefault(line, []).append(Machine(plant.asset_path(asset), states, named))
    return Layout(plant.site.path, {name: tuple(found) for name, found in lines.items()})
