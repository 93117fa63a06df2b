"""`penstock backtest`."""

import json
import os
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table as Shown

from penstock import components
from penstock.anomaly.settings import MonitorSettings
from penstock.backtest.labels import read_windows
from penstock.backtest.measures import Measures, in_windows, measure, pooled
from penstock.backtest.scoring import Scores, score
from penstock.detector import Detector, DetectorSettings
from penstock.errors import BacktestError
from penstock.history.table import Table, read_table

_LEAST: Final = 20
"""Rows that must be learned first."""
_SHOWN: Final = ("alarms", "alarms_per_day", "f1", "false_alarm_rate", "missed_alarm_rate",
                 "events", "events_found", "false_alarms", "delay_seconds")  # fmt: skip

_GREAT: Final = 100
"""From here on a figure is shown without decimals."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="backtest")(run)


def run(
    files: Annotated[
        list[Path], typer.Argument(help="CSV or Parquet files with a column of times.")
    ],
    detector: Annotated[str, typer.Option(help="Name of the detector.")] = "pca",
    labels: Annotated[
        str | None, typer.Option(help="Column that is 1, true or yes where a row is abnormal.")
    ] = None,
    windows: Annotated[
        Path | None, typer.Option(help="JSON file with windows that are abnormal, by file.")
    ] = None,
    train_rows: Annotated[
        str | None,
        typer.Option(help="Rows that are learned first, as 400 or 15% (at most 750); default 400."),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column of times; found by its name.")] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that is no signal; may be repeated.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting of monitor or detector, as memory=2000; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for a row per row.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture, .png or .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Score history with a detector, strictly online, and measure its alarms.

    Each row is scored by what was learned from the rows before it; a file's first rows are learned
    without a score, and are left out of all figures. Each file begins anew. Columns of numbers are
    signals; columns called anomaly, changepoint or label never are.
    """
    kind: type[Detector] = components.load("detectors", detector)
    monitor, options = _settings(kind, setting or [])
    tables = [read_table(file, time=time, labels=labels, ignored=ignore or ()) for file in files]
    events = read_windows(windows, files) if windows else {}
    scored, truths, measured = [], [], []
    for table in tables:
        truth = in_windows(table.times, events[table.path]) if windows else table.labels
        rows = _training(train_rows, table, monitor)
        one = score(table, kind, options, monitor.model_copy(update={"warm_up": rows}))
        scored.append(one)
        truths.append(truth)
        measured.append(_measured(one, truth))
    if out:
        _write(out, scored)
    if plot:
        from penstock.backtest.plot import draw  # noqa: PLC0415 - a second, only where it is asked for

        draw(plot, scored, truths, monitor.alarm_below)
    notes = [note for one in scored for note in (*one.table.remarks(), *one.remarks())]
    for note in notes:
        typer.echo(note, err=True)
    if as_json:
        _tell_scripts(detector, scored, measured, notes)
    else:
        _show(scored, measured, Console())


def _settings(kind: type[Detector], given: list[str]) -> tuple[MonitorSettings, DetectorSettings]:
    values = dict(one.partition("=")[::2] for one in given)
    models = (MonitorSettings, kind.Settings)
    known = [name for model in models for name in model.model_fields]
    if unknown := [name for name in values if name not in known]:
        msg = f"there is no setting {unknown[0]!r}"
        raise BacktestError(msg, where="--set", remedy=f"known: {', '.join(known)}")
    try:
        monitor, options = (
            model.model_validate({n: v for n, v in values.items() if n in model.model_fields})
            for model in models
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        msg = f"{name}: {first['msg']}"
        raise BacktestError(msg, where="--set", remedy="correct it") from error
    return monitor, options  # type: ignore[return-value]  # in the order of `models`


def _training(asked: str | None, table: Table, monitor: MonitorSettings) -> int:
    """How many rows of a table are learned first."""
    count, rows = len(table.times), monitor.warm_up
    try:
        if asked is not None:
            share = float(asked[:-1]) / 100 if asked.endswith("%") else None
            rows = int(asked) if share is None else int(count * share)
            rows = min(750, rows) if share is not None and share < 1 else rows
    except ValueError as error:
        msg = f"{asked!r} is no number of rows"
        raise BacktestError(msg, where="--train-rows", remedy="write 400 or 15%") from error
    if count <= _LEAST:
        msg = f"the file is too short: {count} rows, at least {_LEAST + 1} are needed"
        raise BacktestError(msg, where=str(table.path), remedy="give a longer one")
    if not _LEAST <= rows < count:
        msg = f"{rows} of {count} rows cannot be learned first"
        remedy = f"with --train-rows, name {_LEAST} to {count - 1} of them"
        raise BacktestError(msg, where=str(table.path), remedy=remedy)
    return rows


def _measured(scores: Scores, truth: NDArray[np.bool_] | None) -> Measures:
    after = slice(scores.warm_up, None)
    known = None if truth is None else truth[after]
    return measure(scores.table.times[after], scores.alarms[after], known)


def _write(out: Path, scored: list[Scores]) -> None:
    try:
        tables = [one.rows() for one in scored]
        pq.write_table(pa.concat_tables(tables, promote_options="default"), out)
    except OSError as error:
        msg = f"it cannot be written: {error}"
        raise BacktestError(msg, where=str(out), remedy="name another place with --out") from error


def _tell_scripts(
    detector: str, scored: list[Scores], measured: list[Measures], notes: list[str]
) -> None:
    files = {
        str(one.table.path): {"train_rows": one.warm_up, **part.as_dict()}
        for one, part in zip(scored, measured, strict=True)
    }
    together = pooled(measured).as_dict()
    found = {"detector": detector, "files": files, "pooled": together, "notes": notes}
    typer.echo(json.dumps(found, indent=2))


def _show(scored: list[Scores], measured: list[Measures], console: Console) -> None:
    """A line per file, of a terminal's usual width."""
    together = pooled(measured).as_dict()
    columns = [name for name in _SHOWN if name in together]
    shown = Shown(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    shown.add_column("file", overflow="fold", vertical="bottom")
    for name in columns:
        shown.add_column(name.replace("_", "\n"), justify="right", vertical="bottom", no_wrap=True)
    folder = os.path.commonpath([one.table.path.resolve().parent for one in scored])
    for one, part in zip(scored, measured, strict=True):
        figures = part.as_dict()
        where = os.path.relpath(one.table.path.resolve(), folder)
        shown.add_row(where, *(_text(figures[column]) for column in columns))
    if len(scored) > 1:
        shown.add_row("pooled", *(_text(together[column]) for column in columns))
    console.print(shown)
    console.print("All figures: --json.")


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= _GREAT or value == int(value) else f"{value:.3g}"
