"""The live terminal view: one table per kind of component, totals, and what was killed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from penstock.demo.figures import Figures, Row
from penstock.demo.incidents import Incidents, Verdict
from penstock.demo.scrape import shown_delay

_DEAD: Final = ("penstock_processor_dead_records_total", "penstock_sink_dead_records_total")


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the view shows at one moment."""

    rows: Sequence[Row]
    figures: Figures
    lines: Mapping[str, Mapping[str, Any]]
    """The newest sliding KPIs of each line, as `KpiWindow` records."""
    incidents: Incidents
    seconds_left: float | None
    now: float
    keys: bool


def render(scene: Scene) -> RenderableType:
    """The view as rich draws it."""
    roles = {role: [row for row in scene.rows if row.component.role == role]
             for role in ("connector", "processor", "sink")}  # fmt: skip
    left = "" if scene.seconds_left is None else f" · {max(0.0, scene.seconds_left):.0f} s left"
    parts: list[RenderableType] = [
        _connectors(roles["connector"]),
        _processors(roles["processor"]),
        _sinks(roles["sink"]),
        *([_lines(scene.lines)] if scene.lines else []),
        _totals(scene),
    ]
    parts += [
        Text(incident.line(scene.now), style="yellow") for incident in scene.incidents.all[-4:]
    ]
    if scene.keys:
        parts.append(
            Text("kill: [w] worker  [b] broker  [p] OPC UA  [m] Modbus  [e] MQTT edge node"
                 "  [t] MQTT broker  [q] quit", style="dim")
        )  # fmt: skip
    return Panel(Group(*parts), title=f"[bold]Penstock[/]{left}", border_style="cyan")


def _table(*columns: str) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(
            column, justify="left" if number == 0 or last else "right",
            no_wrap=True, overflow="ellipsis", ratio=3 if last else None,
        )  # fmt: skip
    return table


def _mark(row: Row) -> Text:
    sign, style = ("●", "green") if row.ready else ("○", "red")
    return Text.assemble((sign, style), f" {row.component.name}")


def _connectors(rows: Sequence[Row]) -> Table:
    table = _table("connector", "samples/s", "kB/s", "in flight", "errors", "writes", "last error")
    for row in rows:
        value = row.scrape.value
        table.add_row(
            _mark(row), f"{row.samples_per_s:,.0f}", f"{row.bytes_per_s / 1e3:,.1f}",
            f"{value('penstock_connector_unacknowledged_samples'):,.0f}",
            f"{value('penstock_connector_errors_total'):,.0f}",
            f"{value('penstock_connector_writes_total'):,.0f}",
            f"  {row.status}",
        )  # fmt: skip
    return table


def _processors(rows: Sequence[Row]) -> Table:
    table = _table(
        "processor", "samples/s", "watermark delay", "lag", "results", "late", "last error"
    )
    for row in rows:
        value = row.scrape.value
        table.add_row(
            _mark(row), f"{row.samples_per_s:,.0f}",
            f"{row.scrape.greatest.get('penstock_processor_watermark_delay_seconds', 0):.1f} s",
            f"{value('penstock_processor_lag_records'):,.0f}",
            f"{value('penstock_processor_results_total'):,.0f}",
            f"{value('penstock_processor_late_samples_total'):,.0f}",
            f"  {row.status}",
        )  # fmt: skip
    return table


def _sinks(rows: Sequence[Row]) -> Table:
    table = _table("sink", "rows", "files", "messages", "lag", "dead", "last error")
    for row in rows:
        value = row.scrape.value
        table.add_row(
            _mark(row),
            *(f"{value('penstock_sink_carried_out', what):,.0f}"
              for what in ("rows", "files", "messages")),
            f"{value('penstock_sink_lag_records'):,.0f}",
            f"{value('penstock_sink_dead_records_total'):,.0f}",
            f"  {row.status}",
        )  # fmt: skip
    return table


def _lines(lines: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("line", "OEE", "availability", "effectiveness", "quality", "pieces", "known")
    for path, record in sorted(lines.items()):
        kpis = record["kpis"]
        names = ("oee", "availability", "effectiveness", "quality_ratio")
        produced = record["produced"]
        table.add_row(
            path,
            *("–" if kpis[name] is None else f"{kpis[name]:.1%}" for name in names),
            "–" if produced is None else f"{produced:,.0f}",
            f"  {_known(record)}",
        )
    return table


def _known(record: Mapping[str, Any]) -> str:
    """How much of the window is known, and a question mark where something is doubtful."""
    coverage = record["coverage"]
    share = "–" if coverage is None else f"{coverage:.0%}"
    return f"{share} ?" if record["flags"] or record["incomplete"] else share


def _totals(scene: Scene) -> Group:
    delay = scene.figures.delay(0.99)
    shown = shown_delay(None if delay is None else delay * 1e3)
    dead = sum(scene.figures.total(metric) for metric in _DEAD)
    line = Text(f"sample to window p99 {shown}   dead letters {dead:.0f}")
    return Group(Text(), line, _verdict(scene.incidents.verdict))


def _verdict(found: Verdict) -> Text:
    if found.lost is None:
        return Text("lost …  counted twice …  windows wrong …", style="dim")
    good = not (found.lost or found.duplicates or found.windows_wrong)
    return Text(
        f"lost {found.lost}  counted twice {found.duplicates}  windows wrong {found.windows_wrong}",
        style="bold green" if good else "bold red",
    )
