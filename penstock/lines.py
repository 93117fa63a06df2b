"""The lines of a plant as streams see them: their members, and the counters of pieces.

A member is an (asset, source): an asset of the line as one source tells it. An asset belongs to the
deepest line that its path is below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from penstock.settings.plant import Line, Plant
from penstock.settings.tags import Role, Tag

PIECES: Final = (Role.GOOD, Role.SCRAP, Role.TOTAL)
"""The roles of counters of pieces."""

Member = tuple[str, str]
"""(asset, source)."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of pieces.

    Args:
        role: What it counts, one of `PIECES`.
        maximum: Where it rolls over, None if it does not.
    """

    role: str
    maximum: float | None


@dataclass(frozen=True, slots=True)
class LineMembers:
    """A line.

    Args:
        line: Its full path.
        members: All of them, sorted.
        output: Those whose pieces are the line's.
        counters: By asset, source and tag.
    """

    line: str
    members: tuple[Member, ...]
    output: frozenset[Member]
    counters: dict[tuple[str, str, str], Counter]


def lines_of(plant: Plant) -> list[LineMembers]:
    """The lines that have members, by path."""
    rows: dict[str, list[tuple[str, Tag]]] = {}
    for source, tags in plant.tags.items():
        for tag in tags:
            rows.setdefault(line_of(plant, tag.asset), []).append((source, tag))
    return [_line(plant, line, rows[line]) for line in sorted(plant.lines) if line in rows]


def line_of(plant: Plant, asset: str) -> str:
    """The line of an asset, both below the site; empty if it is in none."""
    return max((line for line in plant.lines if asset.startswith(f"{line}/")), key=len, default="")


def _line(plant: Plant, line: str, rows: list[tuple[str, Tag]]) -> LineMembers:
    members = tuple(sorted({(plant.asset_path(tag.asset), source) for source, tag in rows}))
    path = plant.asset_path(line)
    return LineMembers(
        line=path,
        members=members,
        output=frozenset(_output(path, plant.lines[line], members)),
        counters={
            (plant.asset_path(tag.asset), source, tag.tag): Counter(tag.role.value, tag.max)
            for source, tag in rows
            if tag.role in PIECES
        },
    )


def _output(path: str, line: Line, members: tuple[Member, ...]) -> Iterator[Member]:
    """Where pieces are counted: at the output; where lines are parallel and have none, anywhere."""
    for asset, source in members:
        if asset == f"{path}/{line.output}" or (line.output is None and line.flow == "parallel"):
            yield asset, source
