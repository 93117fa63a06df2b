"""`penstock size`: how large a plant's Kafka and workers must be."""

from datetime import timedelta
from typing import Annotated, Final

import typer

from penstock.cli.tables import show_rows
from penstock.sizing import Load, Size, catch_up, size
from penstock.units import format_duration, parse_duration

COLUMNS: Final = (
    "tags", "samples/s", "messages/s", "connector cores", "workers", "partitions", "MB per worker",
    "broker MB/s in", "broker MB/s written", "broker disk GB", "lake GB/day", "busiest worker",
    "catches up 1 h in",
)  # fmt: skip
_AWAY: Final = parse_duration("1 h")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="size")(size_)


def size_(
    tags: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Of all sources; may be given more than once."),
    ] = None,
    every: Annotated[str, typer.Option(help="Between two samples of a tag.")] = "1 s",
    tags_per_asset: Annotated[int, typer.Option(min=1, help="That come together.")] = 100,
    window: Annotated[
        list[str] | None, typer.Option(help="Size of windows; may be given more than once.")
    ] = None,
    replication: Annotated[int, typer.Option(min=1, help="Of the topics.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per load.")] = False,
) -> None:
    """Work out how many workers, partitions, memory and disk a number of tags needs.

    Arithmetic on figures that were measured on one small machine, with half of the workers' time
    kept free: a place to start from. Asks nobody.
    """
    sizes = tuple(_duration(text, "--window") for text in window or ("10 s", "1 min"))
    rows = []
    for number in tags or (10_000, 100_000, 1_000_000):
        load = Load(number, _duration(every, "--every"), tags_per_asset, sizes, replication)
        rows.append(row(load, size(load)))
    show_rows(list(COLUMNS), rows, as_json)


def row(load: Load, found: Size) -> tuple[object, ...]:
    """A load and its size, in the units of `COLUMNS`."""
    behind = catch_up(load, found.workers, _AWAY)
    return (
        load.tags,
        round(found.samples),
        round(found.messages),
        round(found.connector_cores, 1),
        found.workers,
        found.partitions,
        round(found.worker_memory / 1e6),
        round(found.broker_in / 1e6, 1),
        round(found.broker_written / 1e6, 1),
        round(found.broker_disk / 1e9),
        round(found.lake_per_day / 1e9, 1),
        round(found.busiest, 2),
        format_duration(parse_duration(f"{round(behind.total_seconds() / 60)} min")),
    )


def _duration(text: str, option: str) -> timedelta:
    try:
        found = parse_duration(text)
    except ValueError as error:
        msg = f"{option}: {error}"
        raise typer.BadParameter(msg) from None
    if not found:
        msg = f"{option}: longer than {text}, please"
        raise typer.BadParameter(msg)
    return found
