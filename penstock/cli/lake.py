"""`penstock lake …`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from penstock import lake
from penstock.errors import LakeError
from penstock.settings.loader import load_plant

DEFAULT_LAKE = ".penstock/demo/lake"

commands = typer.Typer(name="lake", help="Read the lake.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.callback()
def _lake() -> None:
    """Read the lake."""


@commands.command()
def query(
    sql: Annotated[str, typer.Argument(help="In DuckDB's SQL; tables: samples, windows.")],
    lake_path: Annotated[
        str, typer.Option("--lake", help="Folder or s3:// address of the lake.")
    ] = DEFAULT_LAKE,
    config: Annotated[
        Path | None, typer.Option(help="Take the lake of this plant's configuration instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row.")] = False,
) -> None:
    """Run a query and show its rows."""
    options: dict[str, str] = {}
    if config is not None:
        lake_path, options = _of_plant(config)
    names, rows = lake.query(lake.open_lake(lake_path, options), sql)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(dict(zip(names, row, strict=True)), default=str))
        return
    table = Table(*names)
    for row in rows:
        table.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v) for v in row))
    Console().print(table)
    typer.echo(f"{len(rows)} rows")


def _of_plant(config: Path) -> tuple[str, dict[str, str]]:
    for settings in load_plant(config).sinks.values():
        if settings.type == "parquet":
            options = {key: value.get_secret_value() for key, value in settings.options.items()}
            return str(settings.path), options
    msg = "the configuration has no sink of type parquet"
    raise LakeError(msg, where=str(config))
