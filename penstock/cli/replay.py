"""`penstock replay`."""

import asyncio
import math
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.clock import now
from penstock.errors import ConfigurationError
from penstock.history.note import Notebook, notebook
from penstock.history.reel import read_reel
from penstock.history.server import Address, Server
from penstock.history.serving import serve, server, write_source
from penstock.history.to_kafka import KafkaReplay
from penstock.runtime.process import on_stop_signal
from penstock.settings.loader import load_plant

FASTEST: Final = "max"
LAST_PORT: Final = 65_535
NOTES: Final = Path(".penstock/replay")
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="CSV or Parquet files with a column of times.")
    ],
    asset: Annotated[
        str | None,
        typer.Option(help="Whose signals they are, below the site; else each file's name."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Name of their source; else replay- and the first file's name."),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Seconds of history per second, as 60; max: no waiting.")
    ] = FASTEST,
    time: Annotated[str | None, typer.Option(help="Column of times; found by its name.")] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that is no signal; may be repeated.")
    ] = None,
    notes: Annotated[
        Path, typer.Option(help="Folder for the note of how far the replay came.")
    ] = NOTES,
    again: Annotated[
        bool, typer.Option("--again", help="Begin anew, whatever was done before.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    through: Annotated[
        str | None,
        typer.Option(help="opcua or modbus: show it by a server for a plant's connector to read."),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Where that server listens, as host:port.")
    ] = "127.0.0.1:4850",
) -> None:
    """Publish history to Kafka with its own event time, each row exactly once.

    Columns of numbers are tags, each row a sample of each; an empty cell is none. Ended or killed,
    the same command goes on where Kafka has it. Give it a source of its own: for a source that is
    already further, the rows would be late.

    With --through a server shows the rows instead, each once the one before was read; it writes the
    section for plant.yaml and the tag list beside its note.
    """
    pace, name = _speed(speed), _name(source or f"replay-{files[0].stem}")
    reel = read_reel(files, asset, time=time, ignored=ignore or ())
    for remark in (remark for table in reel.tables for remark in table.remarks()):
        typer.echo(remark, err=True)
    if through is not None:
        shown = server(through, reel, _address(listen))
        with notebook(notes, name, reel.fingerprint, f"{now():x}", again=again) as book:
            _show(shown, name, notes, book, pace)
        return
    plant = load_plant(config)
    if name in plant.sources:
        msg = f"{name!r} is a source of the plant: its windows are further, and the rows late"
        raise ConfigurationError(msg, where="--source", remedy="name another, or leave it away")
    reel = reel.below(plant.site.path)
    stopping: list[bool] = []
    on_stop_signal(lambda: stopping.append(True))
    with notebook(notes, name, reel.fingerprint, f"{now():x}", again=again) as book:
        done = KafkaReplay(plant, name, reel, book).run(pace, lambda: bool(stopping))
    rows = f"rows {done.first + 1} to {done.end}" if done.end > done.first else "no row"
    typer.echo(f"{name}: {rows} of {len(reel)}, {done.samples} samples")
    _tell_rest(done.end, len(reel))


def _show(shown: Server, name: str, notes: Path, book: Notebook, pace: float) -> None:
    """Serve until the last row was read, or a signal ends it."""
    section = write_source(shown, name, notes)
    first, rows = book.note.row, len(shown.reel)
    typer.echo(f"{name}: rows {first + 1} to {rows}, for the source in {section}")

    async def run() -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(stopping.set)

        on_stop_signal(stop)
        return await serve(shown, book, pace, stopping)

    done = asyncio.run(run())
    typer.echo(f"{name}: {done - first} rows were read, up to row {done} of {rows}")
    _tell_rest(done, rows)


def _tell_rest(done: int, rows: int) -> None:
    if done < rows:
        typer.echo("ended before the last row; the same command goes on from there")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        msg = f"{text!r} is no host:port"
        raise ConfigurationError(msg, where="--listen", remedy="write it as 127.0.0.1:4850")
    return Address(host, int(port))


def _speed(text: str) -> float:
    try:
        speed = math.inf if text == FASTEST else float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        msg = f"{text!r} is no speed"
        remedy = f"write seconds of history per second, as 60, or {FASTEST}"
        raise ConfigurationError(msg, where="--speed", remedy=remedy)
    return speed


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        msg = f"{text!r} cannot be the name of a source"
        raise ConfigurationError(
            msg, where="--source", remedy="use letters, digits, hyphens, underscores and dots"
        )
    return text
