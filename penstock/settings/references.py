"""Checks that what one part of a configuration names is declared in another."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from penstock.errors import ConfigurationError
from penstock.lines import PIECES
from penstock.settings.problems import suggestion
from penstock.settings.production import RULE
from penstock.settings.tags import Role, Tag
from penstock.settings.yaml_file import Document

_ASSET_REFERENCES: Final = {"calendar": "calendars", "states": "states"}


def check_references(
    data: Mapping[str, Any], tags: Mapping[str, Sequence[Tag]], document: Document
) -> Iterator[ConfigurationError]:
    """Every name that nothing declares, and every tag that is there twice.

    Works on the data as written, so that it helps also where other parts are still wrong.

    Args:
        data: The document's data.
        tags: Tags of each source.
        document: Tells the lines.
    """
    assets = _section(data, "assets")
    yield from _check_assets(data, assets, document)
    yield from _check_lines(data, assets, document)
    every = [tag for rows in tags.values() for tag in rows]
    yield from _check_tags(every, assets)
    if tags.keys() == _section(data, "sources").keys():  # else they may be in a list that is wrong
        yield from _check_states(data, every, document)


def _section(data: Any, name: str) -> dict[str, Any]:
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _check_assets(
    data: Mapping[str, Any], assets: Mapping[str, Any], document: Document
) -> Iterator[ConfigurationError]:
    for asset in assets:
        for key, section in _ASSET_REFERENCES.items():
            name = _section(assets, asset).get(key)
            known = _section(data, section)
            if isinstance(name, str) and name not in known:
                remedy = suggestion(name, known) or f"add it to '{section}'"
                place = ("assets", asset, key)
                yield document.problem(place, f"{name!r} is not in '{section}'", remedy=remedy)


def _check_lines(
    data: Mapping[str, Any], assets: Mapping[str, Any], document: Document
) -> Iterator[ConfigurationError]:
    lines = _section(data, "lines")
    for line in lines:
        members = [name.removeprefix(f"{line}/") for name in assets if name.startswith(f"{line}/")]
        if not members:
            message = "no asset is in this line"
            remedy = suggestion(line, {name.rpartition("/")[0] for name in assets})
            yield document.problem(("lines", line), message, remedy=remedy)
            continue
        for key in ("constraint", "output"):
            name = _section(lines, line).get(key)
            if isinstance(name, str) and name not in members:
                message = f"{name!r} is no asset of this line"
                place = ("lines", line, key)
                yield document.problem(place, message, remedy=suggestion(name, members))


def _check_tags(tags: Sequence[Tag], assets: Mapping[str, Any]) -> Iterator[ConfigurationError]:
    missing = Counter(tag.asset for tag in tags if tag.asset not in assets)
    for tag in tags:
        if rows := missing.pop(tag.asset, 0):
            message = f"column asset: {tag.asset!r} is not in the configuration's 'assets'"
            message += f", {rows} rows name it" if rows > 1 else ""
            remedy = suggestion(tag.asset, assets) or "add it there"
            yield ConfigurationError(message, where=tag.where, remedy=remedy)
    yield from twice(tags)
    yield from _counters_of_text(tags)
    yield from _two_of_a_role(tags)


def _counters_of_text(tags: Sequence[Tag]) -> Iterator[ConfigurationError]:
    for tag in tags:
        if tag.role in PIECES and tag.declares_text:
            message = f"column type: a {tag.role} counter is a number, not {tag.type!r}"
            remedy = "write the type of its number, or leave the role empty"
            yield ConfigurationError(message, where=tag.where, remedy=remedy)


def _two_of_a_role(tags: Sequence[Tag]) -> Iterator[ConfigurationError]:
    """Pieces of several counters are added up; of two states nobody could say which counts."""
    first: dict[tuple[str, Role], Tag] = {}
    for tag in tags:
        if tag.role is not Role.SIGNAL and tag.role.value not in PIECES:
            known = first.setdefault((tag.asset, tag.role), tag)
            if known.tag != tag.tag:
                message = f"column role: {tag.asset} has a {tag.role} already, {known.tag!r} "
                message += f"at {known.where}"
                remedy = f"leave the role of one of them empty, as that of {tag.tag!r}"
                yield ConfigurationError(message, where=tag.where, remedy=remedy)


def _check_states(
    data: Mapping[str, Any], tags: Sequence[Tag], document: Document
) -> Iterator[ConfigurationError]:
    """The tags by which an asset's time is told must be there, in the unit that is meant."""
    by_asset: dict[str, dict[str, Tag]] = {}
    for tag in tags:
        by_asset.setdefault(tag.asset, {})[tag.tag] = tag
    for asset, settings in _section(data, "assets").items():
        name = settings.get("states") if isinstance(settings, dict) else None
        states = _section(_section(data, "states"), name) if isinstance(name, str) else {}
        own = by_asset.get(asset, {})
        rule = RULE.fullmatch(str(states.get("producing_when", "")))
        place = ("assets", asset, "states")
        roles = {tag.role for tag in own.values()}
        for wanted, role in (
            (states.get("state"), Role.STATE),
            (states.get("mode"), Role.MODE),
            (rule and rule["tag"], None),
        ):
            there = not own or wanted in own or role in roles
            if isinstance(wanted, str) and not there:
                message = f"{name!r} needs a tag {wanted!r}, which no tag list has of this asset"
                remedy = suggestion(wanted, own) or "add it to a tag list"
                yield document.problem(place, message, remedy=remedy)
        ruled = own.get(rule["tag"]) if rule else None
        if rule and ruled and rule["unit"] and ruled.unit and _differ(rule["unit"], ruled.unit):
            message = f"{name!r} compares {ruled.tag!r} in {rule['unit']!r}, "
            message += f"which is in {ruled.unit!r}"
            yield document.problem(place, message, remedy="write the limit in the tag's unit")


def _differ(unit: str, other: str) -> bool:
    """Whether two units are different however they are written.

    >>> _differ("A", "V"), _differ("degC", "°C"), _differ("\u00b5A", "\u03bcA")
    (True, False, False)
    """
    return _spelled(unit) != _spelled(other)


def _spelled(unit: str) -> str:
    return unicodedata.normalize("NFKC", unit).replace("°", "deg").replace("Ω", "ohm").casefold()


def twice(tags: Sequence[Tag]) -> Iterator[ConfigurationError]:
    """A problem for each tag that its asset has already."""
    first: dict[tuple[str, str], str] = {}
    for tag in tags:
        place = first.setdefault((tag.asset, tag.tag), tag.where)
        if place != tag.where:
            message = f"column tag: {tag.asset} has a tag {tag.tag!r} already, at {place}"
            remedy = "give each tag of an asset its own name"
            yield ConfigurationError(message, where=tag.where, remedy=remedy)
