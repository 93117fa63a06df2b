"""`penstock lake …`."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Annotated

import typer

from penstock import lake
from penstock.cli.plant import DEFAULT_CONFIG
from penstock.cli.tables import show_rows
from penstock.errors import ConfigurationError, LakeError
from penstock.settings.loader import load_plant
from penstock.units import format_duration, parse_duration

DEFAULT_LAKE = ".penstock/demo/lake"
MEGABYTE = 1024 * 1024

LakePath = Annotated[
    str | None,
    typer.Option(
        "--lake",
        help="Folder or s3:// address of the lake.",
        show_default="that of plant.yaml; where there is none, that of `make run`",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Take the lake of this plant's configuration instead."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per row.")]


@dataclass(frozen=True, slots=True)
class _Lake:
    """A lake: its address, the options of its store, and the tables that must be there."""

    path: str
    options: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()


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
    lake_path: LakePath = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run a query and show its rows."""
    place = _place(lake_path, config)
    names, rows = lake.query(lake.open_lake(place.path, place.options), sql)
    if show_rows(names, rows, as_json):
        typer.echo(_count(len(rows), "row"))


@commands.command("init-views")
def init_views(
    file: Annotated[Path, typer.Argument(help="DuckDB file to make, or to renew.")] = Path(
        "lake.duckdb"
    ),
    lake_path: LakePath = None,
    config: Config = None,
) -> None:
    """Make a DuckDB file whose views show the lake as it is, for BI tools."""
    made, missing = lake.init_views(_place(lake_path, config).path, file)
    typer.echo(f"{file} has the views {', '.join(made)}")
    if missing:
        typer.echo(f"not in the lake yet: {', '.join(missing)}; run this again once they are")


@commands.command()
def compact(
    lake_path: LakePath = None,
    config: Config = None,
    megabytes: Annotated[
        int, typer.Option(help="Size of the files to make.", min=1, max=4096)
    ] = lake.TARGET_SIZE // MEGABYTE,
    as_json: AsJson = False,
) -> None:
    """Join small files, while sinks write and others read."""
    place = _place(lake_path, config)
    done = lake.compact(place.path, place.options, target_size=megabytes * MEGABYTE)
    show_rows(_names(lake.Compacted), [astuple(one) for one in done], as_json)


@commands.command()
def vacuum(
    lake_path: LakePath = None,
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
    place = _place(lake_path, config)
    done = lake.vacuum(place.path, place.options, keep=duration, dry_run=dry_run)
    rows = [(table.table, file) for table in done for file in table.files]
    if show_rows(["table", "file"], rows, as_json):
        typer.echo(f"{_count(len(rows), 'file')} {'would be ' * dry_run}deleted")


@commands.command()
def check(
    lake_path: LakePath = None,
    config: Config = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at size and footer of each file only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find what is missing or broken, and the Kafka offsets of what was in it; exit code 3 then.

    Each file that a table's log names is read whole, and so is each entry of the log that the table
    needs. With the lake of a configuration, each of its tables must be there. What no longer is in
    the log is not seen here: `penstock audit` holds the lake against the topics.
    """
    place = _place(lake_path, config)
    found = lake.check(place.path, place.options, quick=quick, wanted=place.wanted)
    if found.lost:
        show_rows(_names(lake.LostFile), [astuple(one) for one in found.lost], as_json)
        raise typer.Exit(LakeError.exit_code)
    if not as_json:
        typer.echo(f"nothing is missing or broken: {_count(found.files, 'file')}")


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _place(path: str | None, config: Path | None) -> _Lake:
    """The lake that is meant; says so where nobody named one."""
    if config is None and path is not None:
        return _Lake(path)
    found = config or DEFAULT_CONFIG
    if config is None and not found.exists():
        typer.echo(f"the lake is {DEFAULT_LAKE}", err=True)
        return _Lake(DEFAULT_LAKE)
    for settings in load_plant(found, [("sinks",)]).sinks.values():
        if settings.type == "parquet":
            if config is None:
                typer.echo(f"the lake is {settings.path}, of {found}", err=True)
            options = {key: value.get_secret_value() for key, value in settings.options.items()}
            return _Lake(str(settings.path), options, lake.TABLES)
    msg = "the configuration has no sink of type parquet"
    raise ConfigurationError(msg, where=str(found))
