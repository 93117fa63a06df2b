"""Holds alerts against what became of the machines that they are of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.alerts.reading import latest
from penstock.factory.schedule import Activity
from penstock.factory.truth_reader import Truth

AHEAD: Final = 30_000_000
"""Microseconds within which a machine that is alerted of is to fail; it lives about as long."""
_ANOMALY: Final = "anomaly/"


@dataclass(frozen=True, slots=True)
class AlertCheck:
    """What became of alerts."""

    alerts: int = 0
    """Of all causes: anomalies, and sources that are silent."""
    on_failing: int = 0
    """Anomalies of machines that failed soon afterwards, or failed just then."""
    false: int = 0
    """Anomalies of machines that went on for long; of the rest the run's end hides it."""
    requests: int = 0
    """Alerts for which maintenance was asked."""


def check_alerts(
    truth: Truth,
    alerts: Iterable[Mapping[str, Any]],
    requests: Iterable[Mapping[str, Any]],
    since: int = 0,
) -> AlertCheck:
    """Count the alerts by what became of their machines.

    Args:
        truth: Of the factory.
        alerts: Alert records of the run.
        requests: MaintenanceRequest records of the run.
        since: Begin of the run; alerts that were raised before are of another.
    """
    failures: dict[str, list[tuple[int, int]]] = {}
    known: dict[str, int] = {}
    for span in truth.activities:
        known[span.asset] = max(known.get(span.asset, 0), span.end)
        if span.activity in (Activity.FAILURE, Activity.REPAIR):
            failures.setdefault(span.asset, []).append((span.start, span.end))
    found = {name: one for name, one in latest(alerts).items() if one["raised"] >= since}
    failing = false = 0
    for alert in found.values():
        asset, onset = alert["asset"], alert["onset"]
        if not alert["cause"].startswith(_ANOMALY):
            continue
        soon = (onset, onset + AHEAD)
        if any(begin < soon[1] and end > soon[0] for begin, end in failures.get(asset, ())):
            failing += 1
        elif known.get(asset, 0) >= soon[1]:
            false += 1
    return AlertCheck(
        len(found), failing, false, len({one["ID"] for one in requests} & found.keys())
    )
