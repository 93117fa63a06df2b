"""`penstock init` and `penstock validate`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from penstock.commissioning import probing
from penstock.errors import DeviceError
from penstock.processor import chosen
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant
from penstock.settings.problems import InvalidConfigurationError
from penstock.settings.sections import ROLES
from penstock.settings.starter import write_starter
from penstock.settings.yaml_file import Place
from penstock.units import format_duration

OTHERS: Final = ("console", "tools")
"""What reads a configuration without anybody's secrets, as `penstock topics acls` calls it."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(validate)


def init(
    folder: Annotated[Path, typer.Argument(help="Where it goes; made where missing.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented configuration to start from."""
    for path in write_starter(folder, force=force):
        typer.echo(f"wrote {path}")
    typer.echo(
        f"Next: change {folder / 'plant.yaml'}, then penstock validate {folder / 'plant.yaml'}"
    )


def validate(
    config: Annotated[Path, typer.Argument(help="The plant's YAML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Probe every source, too, and read each tag once.")
    ] = False,
    component: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE/NAME",
            help="As connector/utilities: as this one reads it, without the others' secrets;"
            " console or tools: without anybody's.",
        ),
    ] = None,
) -> None:
    """Check a configuration with its tag lists; exit code 2 where something is wrong.

    Nothing is connected to, but with --live; then exit code 3 where a source has a problem.
    """
    needs = None if component is None else _needs(component)
    try:
        plant = load_plant(config, needs)
    except InvalidConfigurationError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"valid": False, "problems": _problems(error)}, indent=2))
        raise typer.Exit(error.exit_code) from None
    summary = _summary(plant)
    probes = asyncio.run(probing.probe_all(plant)) if live else {}
    if as_json:
        found = {"valid": True, "problems": [], **summary}
        if live:
            found["live"] = [probing.as_json(name, probe) for name, probe in probes.items()]
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo(f"{config} is valid")
        for name, value in _lines(summary):
            typer.echo(f"  {name:<9}{value}")
        for name, probe in probes.items():
            typer.echo("\n".join(probing.as_lines(name, probe)))
    if any(map(probing.problems_of, probes.values())):
        raise typer.Exit(DeviceError.exit_code)


def _needs(component: str) -> list[Place]:
    """Whose secrets must be there: those of one component, or of none."""
    if component in OTHERS:
        return []
    role, _, name = component.partition("/")
    if role not in ROLES or not name:
        msg = (
            f"{component!r} is no component: write {', '.join(ROLES)}, a '/' and its name, "
            f"or {' or '.join(OTHERS)}"
        )
        raise typer.BadParameter(msg)
    return [(ROLES[role], name)]


def _problems(error: InvalidConfigurationError) -> list[dict[str, str | None]]:
    return [
        {"where": problem.where, "message": problem.message, "remedy": problem.remedy}
        for problem in error.problems
    ]


def _summary(plant: Plant) -> dict[str, Any]:
    return {
        "site": plant.site.path,
        "sources": {
            name: {"type": settings.type, "tags": len(plant.tags[name])}
            for name, settings in plant.sources.items()
        },
        "tags": sum(map(len, plant.tags.values())),
        "assets": len(plant.assets),
        "lines": list(plant.lines),
        "windows": [format_duration(size) for size in plant.windows.sizes],
        "processors": [processor.name for processor in chosen(plant)],
        "sinks": {name: settings.type for name, settings in plant.sinks.items()},
    }


def _lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary for people: name and value of each line."""
    sources = [
        f"{name} ({source['type']}, {source['tags']} tags)"
        for name, source in summary["sources"].items()
    ]
    sinks = [f"{name} ({kind})" for name, kind in summary["sinks"].items()]
    return [
        ("site", summary["site"]),
        ("sources", ", ".join(sources) or "none"),
        ("tags", f"{summary['tags']} of {summary['assets']} assets"),
        ("lines", ", ".join(summary["lines"]) or "none"),
        ("windows", ", ".join(summary["windows"])),
        ("sinks", ", ".join(sinks) or "none"),
    ]
