"""Finds components by entry point, so that the core imports none of them.

A third party's package offers a component by an entry point in one of the groups below; Penstock's
own are found in the same way.
"""

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal

from penstock.errors import ConfigurationError, UnknownComponentError

Group = Literal["connectors", "processors", "detectors", "hosts", "sinks", "kpis"]
GROUPS: Final[tuple[Group, ...]] = (
    "connectors",
    "processors",
    "detectors",
    "hosts",
    "sinks",
    "kpis",
)


def names(group: Group) -> list[str]:
    """The names of all installed components of a group, sorted."""
    return sorted({point.name for point in entry_points(group=f"penstock.{group}")})


def entry(group: Group, name: str) -> EntryPoint:
    """The entry point of a component; loads nothing.

    Raises:
        UnknownComponentError: No installed package offers it; the nearest name is suggested.
        ConfigurationError: Two installed packages offer the same name.
    """
    found = list(entry_points(group=f"penstock.{group}", name=name))
    if not found:
        near = difflib.get_close_matches(name, names(group), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names(group))}"
        msg = f"there is no {group.removesuffix('s')} {name!r}"
        raise UnknownComponentError(msg, remedy=hint)
    if len({point.value for point in found}) > 1:
        offers = ", ".join(sorted(point.value for point in found))
        msg = f"{group.removesuffix('s')} {name!r} is offered more than once: {offers}"
        raise ConfigurationError(msg, remedy="uninstall one of the packages")
    return found[0]


def load(group: Group, name: str) -> Any:
    """The class (of a host: the function) that a component's entry point names.

    Raises:
        UnknownComponentError: No installed package offers it; the nearest name is suggested.
        ConfigurationError: Two installed packages offer the same name.
    """
    return entry(group, name).load()
