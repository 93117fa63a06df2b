"""`penstock why`."""

import json
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.times import parse_time
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant
from penstock.why import KINDS, Datum, Why
from penstock.why import why as look_up


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(why)


def why(
    line: Annotated[str, typer.Argument(help="Path of a line or asset, below the site.")],
    kpi: Annotated[str, typer.Argument(help="As oee; docs/reference/kpis.md lists them.")],
    time: Annotated[str, typer.Argument(help="ISO 8601, as 2026-03-01T06:00:00+01:00.")],
    config: Config = DEFAULT_CONFIG,
    window: Annotated[
        str | None, typer.Option(help=f"{', '.join(KINDS)}; else the shift, or the shortest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Tell how a figure came about: its revisions, time balance, and late samples that moved it."""
    if window is not None and window not in KINDS:
        msg = f"there is no window {window!r}: one of {', '.join(KINDS)}"
        raise typer.BadParameter(msg, param_hint="--window")
    plant = load_plant(config, ())
    found = look_up(plant, line, kpi, parse_time(time, "TIME"), window)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _show(found, plant, Console(highlight=False))


def _show(found: Why, plant: Plant, console: Console) -> None:
    last, zone = found.last, ZoneInfo(plant.site.timezone)
    unit = last["asset"] or last["line"]
    console.print(f"[bold]{escape(unit)}[/]  {last['kind']} {escape(last['name'])}, "
                  f"{_at(last['window_start'], zone)} to {_at(last['until'], zone)}")  # fmt: skip
    figure = _figure(last["kpis"][found.kpi])
    console.print(f"[bold]{found.kpi} = {figure}[/]  by {last['standard']}, "
                  f"time without an order counts as {last['no_order_counts']}, "
                  f"coverage {_figure(last['coverage'])}")  # fmt: skip
    for name, reason in sorted(found.unknown.items(), key=lambda one: one[0] != found.kpi):
        console.print(f"[yellow]unknown[/]: {escape(name)}, because {escape(reason)}")
    console.print(_revisions(found, zone))
    console.print(_balance(last))
    console.print(
        f"pieces: produced {_figure(last['produced'])}, good {_figure(last['good'])}, scrap "
        f"{_figure(last['scrap'])}; planned run time {_figure(last['planned_run_time'])} s, "
        f"of good pieces {_figure(last['good_run_time'])} s"
    )
    for flag in last["flags"]:
        console.print(f"[yellow]doubtful[/]: {escape(flag)}")
    if last["missing"]:
        console.print(f"[yellow]missing[/]: {escape(', '.join(last['missing']))}")
    table = Table("late sample", "tag", "time", "value")
    for asset, tag, time, value in found.late:
        table.add_row(escape(asset), escape(tag), _at(time, zone), escape(value))
    console.print(table if found.late else "no late sample changed it")


def _revisions(found: Why, zone: ZoneInfo) -> Table:
    table = Table("revision", found.kpi, "until", "event time", "late samples", "")
    for one in found.revisions:
        state = "incomplete" if one["incomplete"] else "" if one["final"] else "still runs"
        late = sum(each["late"] for each in one["inputs"])
        table.add_row(str(one["revision"]), _figure(one["kpis"].get(found.kpi)),
                      _at(one["until"], zone), _at(one["watermark"], zone), str(late),
                      state)  # fmt: skip
    return table


def _balance(record: Datum) -> Table:
    whole = sum(one["duration"] for one in record["balance"])
    table = Table("where the time went", "planned", "seconds", "share")
    for one in sorted(record["balance"], key=lambda each: -each["duration"]):
        share = one["duration"] / whole
        table.add_row(
            one["element"], one["planning"], f"{one['duration'] / 1e6:,.1f}", f"{share:.1%}"
        )
    units = record["work_units"]
    table.add_row("all", f"of {units} unit{'' if units == 1 else 's'}", f"{whole / 1e6:,.1f}", "")
    return table


def _figure(value: float | None) -> str:
    return "unknown" if value is None or value != value else f"{value:,.6g}"  # noqa: PLR0124 - NaN


def _at(time: int, zone: ZoneInfo) -> str:
    """A time at the site; of what was never heard a dash."""
    try:
        return f"{datetime.fromtimestamp(time / 1e6, zone):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "–"
