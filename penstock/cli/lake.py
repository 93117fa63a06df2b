"""`penstock lake …`."""

import json
import math
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table

from penstock import lake
from penstock.errors import ConfigurationError, LakeError
from penstock.settings.loader import load_plant
from penstock.units import format_duration, parse_duration

DEFAULT_LAKE = ".penstock/demo/lake"
MEGABYTE = 1024 * 1024
_ANY_WIDTH = 1_000_000

LakePath = Annotated[str, typer.Option("--lake", help="Folder or s3:// address of the lake.")]
Config = Annotated[
    Path | None, typer.Option(help="Take the lake of this plant's configuration instead.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per row.")]

commands = typer.Typer(
    name="lake", help="Read the lake, and look after its files.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.callback()
def _lake() -> None:
    """Read the lake, and look after its files."""


@commands.command()
def query(
    sql: Annotated[str, typer.Argument(help=f"In DuckDB's SQL; tables: {', '.join(lake.VIEWS)}.")],
    lake_path: LakePath = DEFAULT_LAKE,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run a query and show its rows."""
    names, rows = lake.query(lake.open_lake(*_place(lake_path, config)), sql)
    if _show(names, rows, as_json):
        typer.echo(_count(len(rows), "row"))


@commands.command()
def compact(
    lake_path: LakePath = DEFAULT_LAKE,
    config: Config = None,
    megabytes: Annotated[
        int, typer.Option(help="Size of the files to make.", min=1, max=4096)
    ] = lake.TARGET_SIZE // MEGABYTE,
    as_json: AsJson = False,
) -> None:
    """Join small files, while sinks write and others read."""
    path, options = _place(lake_path, config)
    done = lake.compact(path, options, target_size=megabytes * MEGABYTE)
    _show(_names(lake.Compacted), [astuple(one) for one in done], as_json)


@commands.command()
def vacuum(
    lake_path: LakePath = DEFAULT_LAKE,
    config: Config = None,
    keep: Annotated[
        str, typer.Option(help="Whoever opened a table less than this ago can read on.")
    ] = format_duration(lake.KEEP),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the files that compaction replaced, and those of broken-off commits."""
    try:
        duration = parse_duration(keep)
    except ValueError as error:
        raise ConfigurationError(str(error), where="--keep") from error
    path, options = _place(lake_path, config)
    done = lake.vacuum(path, options, keep=duration, dry_run=dry_run)
    rows = [(table.table, file) for table in done for file in table.files]
    if _show(["table", "file"], rows, as_json):
        typer.echo(f"{_count(len(rows), 'file')} {'would be ' * dry_run}deleted")


@commands.command()
def check(
    lake_path: LakePath = DEFAULT_LAKE, config: Config = None, as_json: AsJson = False
) -> None:
    """Find files that are missing or broken, and the Kafka offsets of what was in them."""
    lost = lake.check(*_place(lake_path, config))
    _show(_names(lake.LostFile), [astuple(one) for one in lost], as_json)
    if lost:
        raise typer.Exit(LakeError.exit_code)


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show(names: list[str], rows: list[tuple[Any, ...]], as_json: bool) -> bool:
    """Print rows; gives whether it was for people."""
    if as_json:
        for row in rows:
            values = dict(zip(names, map(_plain, row), strict=True))
            typer.echo(json.dumps(values, default=str, allow_nan=False))
        return False
    table = Table(*(Column(escape(name), no_wrap=True) for name in names))
    cells = [[escape(_cell(value)) for value in row] for row in rows]
    for shown in cells:
        table.add_row(*shown)
    console = Console(highlight=False)
    unbounded = console.options.update(max_width=_ANY_WIDTH)
    width = Measurement.get(console, unbounded, table).maximum
    if console.is_terminal and width > console.width:
        _show_blocks(names, cells, console)
    else:  # files and pipes have no width
        Console(width=max(width, console.width), highlight=False).print(table)
    return True


def _show_blocks(names: list[str], rows: list[list[str]], console: Console) -> None:
    """One column per line, where a row is wider than the terminal."""
    widest = max(map(len, names), default=0)
    for number, row in enumerate(rows, start=1):
        console.print(f"[dim]── {number}[/]")
        for name, cell in zip(names, row, strict=True):
            console.print(f"[bold]{escape(name.ljust(widest))}[/]  {cell}", soft_wrap=True)


def _cell(value: Any) -> str:
    r"""A value for people.

    >>> _cell(None), _cell(0.1 + 0.2), _cell(b"\x01\xff"), _cell([1, 2])
    ('', '0.3', '01ff', '[1, 2]')
    """
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case bytes():
            return value.hex()
    return str(value)


def _plain(value: Any) -> Any:
    r"""A value as JSON can hold it: what is no finite number is null, bytes are hexadecimal.

    >>> _plain([float("nan"), b"\x01\xff", {"a": 1.5}])
    [None, '01ff', {'a': 1.5}]
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
    return value


def _place(path: str, config: Path | None) -> tuple[str, dict[str, str]]:
    """Address and options of the lake that is meant."""
    if config is None:
        return path, {}
    for settings in load_plant(config).sinks.values():
        if settings.type == "parquet":
            options = {key: value.get_secret_value() for key, value in settings.options.items()}
            return str(settings.path), options
    msg = "the configuration has no sink of type parquet"
    raise ConfigurationError(msg, where=str(config))
