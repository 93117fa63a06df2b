"""Which values in which JSON payloads are which tags': addresses and templates. Pure.

Without a template an address is a topic, and behind a `#`, which no topic can hold, the path of the
value. With one it holds what the template's names stand for, in the order in which they come first
in `topic`, `value`, `time` and `quality`, with `/` between them; the last takes the rest.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connectors.mqtt.paths import PayloadPath
from connectors.mqtt.settings import MappingSettings
from connectors.mqtt.values import TYPES
from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag

_NAME: Final = re.compile(r"\{(\w+)\}")
_LONGEST: Final = 65_535
"""Bytes of a topic (MQTT 5.0, 1.5.4)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where one tag's value, time and quality are in the payloads of its topic."""

    tag: Tag
    topic: str
    value: PayloadPath
    time: PayloadPath | None
    quality: PayloadPath | None


def targets(tags: Sequence[Tag], mapping: MappingSettings) -> list[Target]:
    """The target of each tag.

    Raises:
        ConfigurationError: An address or a template cannot be used; the tag's line is named.
    """
    return [_target(tag, mapping) for tag in tags]


def _target(tag: Tag, mapping: MappingSettings) -> Target:
    if tag.type is not None and tag.type not in TYPES:
        msg = f"tag {tag.tag!r} has type {tag.type!r}"
        remedy = f"write one of {', '.join(TYPES)}, or leave the cell empty"
        raise ConfigurationError(msg, where=tag.where or None, remedy=remedy)
    place, _, path = tag.address.partition("#")
    filled = _filled(tag, place, mapping)
    topic = filled["topic"]
    if not topic or set(topic) & {"+", "\0"} or len(topic.encode()) > _LONGEST:
        raise _wrong(tag, f"{topic!r} is no topic that a device publishes to")
    try:
        return Target(
            tag,
            topic,
            PayloadPath(path or filled["value"]),
            PayloadPath(filled["time"]) if mapping.time is not None else None,
            PayloadPath(filled["quality"]) if mapping.quality is not None else None,
        )
    except ValueError as error:
        raise _wrong(tag, str(error)) from error


def _filled(tag: Tag, place: str, mapping: MappingSettings) -> dict[str, str]:
    """The templates, filled with what the address says."""
    if mapping.topic is None:
        written = {"topic": place}
        templates = {"value": mapping.value}
    else:
        written = {}
        templates = {"topic": mapping.topic, "value": mapping.value}
    templates |= {"time": mapping.time or "", "quality": mapping.quality or ""}
    names = list(dict.fromkeys(_NAME.findall("\n".join(templates.values()))))
    if mapping.topic is None and names:
        raise _wrong(tag, f"{{{names[0]}}} can only be filled where mapping.topic is a template")
    parts = place.split("/", len(names) - 1) if names else [place]
    if names and (len(parts) != len(names) or not all(parts)):
        raise _wrong(tag, f"{place!r} does not say what {', '.join(names)} are")
    known = dict(zip(names, parts, strict=False))
    return written | {
        key: _NAME.sub(lambda match: known[match[1]], text) for key, text in templates.items()
    }


def _wrong(tag: Tag, why: str) -> ConfigurationError:
    remedy = "write a topic, or what the template's names stand for with / between, then #path"
    return ConfigurationError(f"address: {why}", where=tag.where or None, remedy=remedy)
