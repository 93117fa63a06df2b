"""The sections of a configuration whose shape the installed components decide."""

from typing import Final, Literal

from pydantic import BaseModel

from penstock import components
from penstock.errors import ConfigurationError

Section = Literal["sources", "processors", "sinks"]

GROUPS: Final[dict[Section, components.Group]] = {
    "sources": "connectors",
    "processors": "processors",
    "sinks": "sinks",
}
"""Which group of components a section's `type` names; of processors it is the name itself."""

ROLES: Final[dict[str, Section]] = {
    "connector": "sources",
    "processor": "processors",
    "sink": "sinks",
}
"""The section that a process of a role has its settings in."""


def settings_model(section: Section, kind: str) -> type[BaseModel]:
    """The `Settings` of a component.

    Raises:
        ConfigurationError: No package offers it, or what does cannot be loaded.
    """
    group = GROUPS[section]
    try:
        settings: type[BaseModel] = components.load(group, kind).Settings
    except ImportError as error:
        msg = f"{group.removesuffix('s')} {kind!r} cannot be loaded: {error}"
        raise ConfigurationError(msg, remedy="install what it needs") from error
    return settings
