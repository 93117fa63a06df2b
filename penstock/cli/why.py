"""`penstock why`."""

import json
from itertools import pairwise
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.times import parse_time, site_time
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant
from penstock.shifts import NOT_SCHEDULED
from penstock.why import KINDS, Datum, Why
from penstock.why import why as look_up

MOST_REVISIONS: Final = 6
MOST_LATE: Final = 12
LITTLE_UNKNOWN: Final = 0.05
"""Share of a window of which nothing may be known without a word."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(why)


def why(
    line: Annotated[str, typer.Argument(help="Path of a line or asset, below the site.")],
    kpi: Annotated[str, typer.Argument(help="As oee; docs/reference/kpis.md lists them.")],
    time: Annotated[
        str | None,
        typer.Argument(
            help="As 2026-03-01T06:00:00; the site's, where no offset says. Without it: the newest "
            "whose figure is known, of orders the newest that is completed."
        ),
    ] = None,
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
    zone = ZoneInfo(plant.site.timezone)
    at = None if time is None else parse_time(time, "TIME", zone)
    found = look_up(plant, line, kpi, at, window)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _show(found, plant, Console(highlight=False))


def _show(found: Why, plant: Plant, console: Console) -> None:
    last = found.last
    unit = last["asset"] or last["line"]
    span = f"{site_time(last['window_start'], plant)} to {site_time(last['until'], plant)}"
    console.print(f"[bold]{escape(unit)}[/]  {last['kind']} {escape(last['name'])}, {span}")
    figure = _figure(last["kpis"][found.kpi])
    console.print(f"[bold]{found.kpi} = {figure}[/]  by {last['standard']}, "
                  f"time without an order counts as {last['no_order_counts']}, "
                  f"coverage {_figure(last['coverage'])}")  # fmt: skip
    others = found.unknown
    if reason := others.pop(found.kpi, None):
        console.print(f"[yellow]unknown[/]: {escape(reason)}")
    if others:
        console.print(f"unknown, too: {escape(', '.join(others))} (--json says why)")
    console.print(_revisions(found, plant))
    console.print(_balance(last))
    console.print(
        f"pieces: produced {_figure(last['produced'])}, good {_figure(last['good'])}, scrap "
        f"{_figure(last['scrap'])}; planned run time {_figure(last['planned_run_time'])} s, "
        f"of good pieces {_figure(last['good_run_time'])} s"
    )
    if (known := _known(last)) is not None:
        console.print(f"[yellow]doubtful[/]: {known}")
    for flag in last["flags"]:
        console.print(f"[yellow]doubtful[/]: {escape(flag)}")
    if last["missing"]:
        console.print(f"[yellow]missing[/]: {escape(', '.join(last['missing']))}")
    table = Table("late sample", "tag", "time", "value")
    if (more := len(found.late) - MOST_LATE) > 0:
        table.caption = f"{more} more before them: --json has all"
    for asset, tag, time, value in found.late[-MOST_LATE:]:
        table.add_row(
            escape(asset.removeprefix(f"{plant.site.path}/")),
            escape(tag),
            site_time(time, plant),
            escape(value),
        )
    console.print(table if found.late else "no late sample changed it")


def _revisions(found: Why, plant: Plant) -> Table:
    table = Table("revision", found.kpi, "until", "event time", "late samples", "state")
    shown = _telling(found)
    if left := len(found.revisions) - len(shown):
        table.caption = f"{left} more between them: --json has all"
    for one in shown:
        state = "incomplete" if one["incomplete"] else "final" if one["final"] else "still runs"
        late = sum(each["late"] for each in one["inputs"])
        table.add_row(str(one["revision"]), _figure(one["kpis"].get(found.kpi)),
                      site_time(one["until"], plant), site_time(one["watermark"], plant), str(late),
                      state)  # fmt: skip
    return table


def _telling(found: Why) -> list[Datum]:
    """The first revision, the newest of those that changed the figure, and the last."""
    figures = [one["kpis"].get(found.kpi) for one in found.revisions]
    changed = [one for one, (a, b) in zip(found.revisions[1:], pairwise(figures), strict=True)
               if a != b]  # fmt: skip
    telling = [found.revisions[0], *changed[-MOST_REVISIONS:], found.last]
    return [one for n, one in enumerate(telling) if all(one is not other for other in telling[:n])]


def _known(record: Datum) -> str | None:
    """Of how much of the shifts' time it is known what it went into, if that is not nearly all."""
    shifts = [one for one in record["balance"] if one["planning"] != NOT_SCHEDULED]
    whole = sum(one["duration"] for one in shifts)
    lost = sum(one["duration"] for one in shifts if one["element"] == "unknown")
    if lost < LITTLE_UNKNOWN * whole or not whole:
        return None
    return f"of {whole / 1e6:,.1f} s only {(whole - lost) / 1e6:,.1f} s are known"


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
