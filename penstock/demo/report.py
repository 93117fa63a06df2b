"""What a demo says at its end: figures for scripts, a summary for people."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from penstock.demo.scrape import shown_delay
from penstock.factory import PROCESSES


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run.

    `lost`, `duplicates` and `wrong_values` compare the lake with the factory's ground truth sample
    by sample, `windows_wrong` the published windows with an independent batch computation,
    `erp_wrong` the ERP system's messages with the orders that the factory made.
    """

    seconds: float
    """How long data flowed."""
    samples_sent: int
    samples_in_lake: int
    samples_per_s: float
    lost: int
    duplicates: int
    wrong_values: int
    flagged: int
    """Samples that a connector added to say that a tag is stale or its link lost."""
    repeated: int
    """Values that a server gave once more when it was subscribed to again."""
    windows: int
    """Results, one per tag and window."""
    windows_wrong: int
    orders_completed: int
    erp_messages: int
    erp_compared: int
    """Orders that ERP must know of: begun, shown and ended within the run."""
    erp_bounded: int
    """Others that it was told of: nobody saw all of them, as while a PLC was away."""
    erp_wrong: int
    """Completed orders that were not reported to ERP, or with other pieces than were made; of those
    that nobody saw whole: with more."""
    kpis_checked: int
    """Figures of settled windows that were compared with the factory's truth, and what holds for
    all windows: a balance that closes, no more pieces than can be made."""
    kpis_bounded: int
    """Windows that were not: they began before, end later, or nobody saw all of them."""
    kpis_wrong: int
    """Figures that differ, windows that were never published, balances that do not close; of
    windows that were not compared: more than can be made."""
    orders_closed: int
    """Orders of lines whose figures are final."""
    alerts: int
    """Of anomalies and silent sources."""
    alerts_on_failing_machines: int
    """Anomalies of machines that failed within half a minute."""
    false_alerts: int
    """Anomalies of machines that did not; those shortly before the end are in neither."""
    maintenance_requests: int
    """Alerts for which maintenance was asked."""
    oee: dict[str, float | None]
    """The last sliding OEE of each line."""
    oee_doubts: Mapping[str, Sequence[str]]
    """How far each of them is to be believed, in words; nothing where there is no doubt."""
    dead_letters: int
    protocols: Sequence[str]
    p50_end_to_end_ms: float | None
    p99_end_to_end_ms: float | None
    """From a sample's source time to the input of its window."""
    lake_rows: int
    lake_files: int
    writes: int
    """Requests to devices that could change something: 0."""
    incidents: Sequence[dict[str, Any]]
    """What was killed, and the seconds until data flowed again."""
    examples: Sequence[str]
    """The first few differences, in words."""

    @property
    def ok(self) -> bool:
        """Whether everything that was sent came out once, and right."""
        wrong = self.lost + self.duplicates + self.wrong_values + self.windows_wrong
        return wrong + self.erp_wrong + self.kpis_wrong == 0 and self.windows > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def show(report: Report, console: Console, *, folder: str) -> None:
    """Print the summary, and what to look at next."""
    table = Table.grid(padding=(0, 2))
    for name, value, good in _lines(report):
        style = "" if good is None else ("green" if good else "bold red")
        table.add_row(name, Text(value, style=style))
    parts: list[Any] = [table]
    parts += [Text(f"  {example}", style="red") for example in report.examples]
    parts += [
        Text(),
        Text("Look further:", style="bold"),
        Text(f"  {folder}/plant.yaml is the configuration, {folder}/run/logs the processes' logs"),
        Text("  docs/start.md goes on from here"),
    ]
    console.print(Panel(Group(*parts), title="[bold]What happened", border_style="cyan"))
    # Outside the frame and not broken into lines, so that it can be copied.
    console.print("The lake answers to:", highlight=False)
    console.print(
        '.venv/bin/penstock lake query "select asset, tag, count(*), avg(value) '
        f'from samples group by all" --lake {shlex.quote(f"{folder}/lake")}',
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip


def _lines(report: Report) -> list[tuple[str, str, bool | None]]:
    delay = report.p99_end_to_end_ms
    again = f", {report.repeated} told again by a device" if report.repeated else ""
    rest = report.alerts - report.alerts_on_failing_machines - report.false_alerts
    unjudged = f", {rest} of silent sources or just before the end" if rest else ""
    lines: list[tuple[str, str, bool | None]] = [
        ("data flowed for", f"{report.seconds:.0f} s over {', '.join(report.protocols)}", None),
        ("samples sent", f"{report.samples_sent:,} ({report.samples_per_s:,.0f}/s)", None),
        ("samples in the lake",
         f"{report.samples_in_lake:,}: {report.lost} lost, {report.duplicates} counted twice, "
         f"{report.wrong_values} wrong{again}",
         not (report.lost or report.duplicates or report.wrong_values)),
        ("windows", f"{report.windows:,}, {report.windows_wrong} wrong",
         report.windows_wrong == 0),
        ("sample to window, p99", shown_delay(delay), None),
        ("orders",
         f"{report.orders_completed} completed, {report.erp_messages} ERP messages; "
         f"{report.erp_compared} compared, {report.erp_bounded} not seen whole, "
         f"{report.erp_wrong} wrong",
         report.erp_wrong == 0),
        ("KPIs", f"{report.kpis_checked:,} compared, {report.kpis_wrong} wrong; "
         f"{report.kpis_bounded:,} windows not seen whole; {report.orders_closed} orders closed",
         report.kpis_wrong == 0),
        ("alerts",
         f"{report.alerts}: {report.alerts_on_failing_machines} of machines that failed, "
         f"{report.false_alerts} false{unjudged}", None),
        ("maintenance requests", str(report.maintenance_requests), None),
        ("dead letters", _dead(report.dead_letters), None),
        ("lake", f"{report.lake_rows:,} rows of samples in {report.lake_files:,} files", None),
        ("writes to devices", str(report.writes), report.writes == 0),
    ]  # fmt: skip
    for line, oee in (report.oee or {}).items():
        told = "unknown" if oee is None else f"{oee:.1%}"
        said = ", ".join([f"{told} in the last sliding window", *report.oee_doubts.get(line, ())])
        lines.append((f"OEE of {line}", said, None))
    for incident in report.incidents:
        told, good = _recovery(incident, drained=report.ok)
        lines.append((f"killed: {incident['what']}", told, good))
    return lines


def _dead(letters: int) -> str:
    return f"{letters}: penstock dlq list tells why" if letters else "0"


def _recovery(incident: Mapping[str, Any], *, drained: bool) -> tuple[str, bool]:
    """What became of what was killed, in words, and whether that is good."""
    if (seconds := incident["seconds"]) is not None:
        return f"data flowed again after {seconds:.1f} s", True
    if not drained:
        return "not back at the end", False
    if incident["what"] in PROCESSES:  # The drain stops the PLCs first.
        return "the run ended before it was back", True
    return "came back while draining", True
