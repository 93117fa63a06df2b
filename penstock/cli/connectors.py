"""`penstock connectors …`: the first hour with a device."""

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from penstock import components
from penstock.cli import devices
from penstock.cli.plant import DEFAULT_CONFIG, Config, SourceName
from penstock.commissioning import probing
from penstock.commissioning.offers import OFFERS
from penstock.commissioning.sample import sample_plant, sample_tags, source_name
from penstock.errors import ConfigurationError
from penstock.settings.loader import load_source

NOT_AS_IT_SHOULD_BE: Final = 3

commands = typer.Typer(
    name="connectors", help="Reach a device, see what it has, and judge its values. Reads only."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    devices.register(commands)
    app.add_typer(commands)


@commands.callback(no_args_is_help=True)
def _connectors() -> None:
    """Reach a device, see what it has, and judge its values. Reads only."""


@commands.command("list")
def list_connectors(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List the installed connectors and what each offers."""
    rows = [_listed(name) for name in components.names("connectors")]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {row['summary']}")
        typer.echo(f"{'':<{width}}  {', '.join(row['offers'])}; from {row['package']}")


def _listed(name: str) -> dict[str, Any]:
    try:
        point = components.entry("connectors", name)
        connector, module = point.load(), import_module(point.module)
    except (ImportError, ConfigurationError) as error:
        return {"name": name, "summary": f"cannot be loaded: {error}", "offers": [], "package": ""}
    own = [offer for offer, kind in OFFERS.items() if issubclass(connector, kind)]
    return {
        "name": name,
        "summary": (module.__doc__ or "").strip().partition("\n")[0],
        "offers": ["sample", "probe", "watch", "load", *own],
        "package": point.dist.name if point.dist else "",
    }


@commands.command()
def sample(
    name: Annotated[str, typer.Argument(help="Of a connector, as `list` shows it.")],
    folder: Annotated[
        Path | None, typer.Option(help="Write plant.yaml and its tag list there instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented configuration for one connector, made from its settings."""
    plant, tags = sample_plant(name), sample_tags(name)
    if folder is None:
        typer.echo(plant)
        typer.echo("# tags/tags.csv:")
        for line in tags.splitlines():
            typer.echo(f"#   {line}")
        return
    written = {folder / "plant.yaml": plant, folder / "tags" / "tags.csv": tags}
    present = [str(path) for path in written if path.exists()]
    if present and not force:
        msg = f"there is already: {', '.join(present)}"
        raise ConfigurationError(msg, remedy="name another folder, or --force to replace them")
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}")
    typer.echo(
        f"Next: change {folder / 'plant.yaml'}, then penstock connectors probe {source_name(name)} "
        f"--config {folder / 'plant.yaml'}"
    )


@commands.command()
def probe(
    source: SourceName,
    config: Config = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Ask a source who it is, and whether it can be read; exit code 3 where something is wrong.

    Each tag of the list is read once, where there is a list.
    """
    result = asyncio.run(load_source(config, source).probe())
    if as_json:
        typer.echo(json.dumps(probing.as_json(source, result), indent=2))
    else:
        for line in probing.as_lines(source, result):
            typer.echo(line)
    if result.problems:
        raise typer.Exit(NOT_AS_IT_SHOULD_BE)
