"""What the console exports for Prometheus: the newest KPIs and the open alerts of the plant.

It has them anyway; so dashboards need no other way to Kafka. Labels are lines, machines and KPIs
of the configuration, never tags.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from penstock.console.reader import Reader
from penstock.console.view import SEVERITY, View

FAMILIES: Final = {
    "penstock_kpi": (
        "The newest figure of a line (asset is empty) or machine; ratios as 0 to 1",
        ("line", "asset", "kpi"),
    ),
    "penstock_alerts": ("Alerts that are not cleared", ("line", "asset", "severity", "state")),
    "penstock_machines": (
        "Machines of a line by what they do or suffer now",
        ("line", "status"),
    ),
    "penstock_console_browsers": ("Browsers that look at the console now", ()),
    "penstock_console_lag_records": ("Records that the console has not read yet", ()),
    "penstock_console_records": ("Records that the console has read", ()),
    "penstock_console_refused_records": ("Records that made no sense", ()),
    "penstock_console_up_to_date": ("1 while the console reads Kafka", ()),
}
"""Meaning and labels of each."""

Rows = dict[tuple[str, ...], float]


class _Collector(Collector):
    def __init__(self, view: View, reader: Reader, browsers: Callable[[], int]) -> None:
        self._view = view
        self._reader = reader
        self._browsers = browsers

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        overview = self._view.overview()
        line_of = {
            machine["path"]: line["path"]
            for line in overview["lines"]
            for machine in line["machines"]
        }
        rows: dict[str, Rows] = {
            "penstock_kpi": self._kpis(line_of),
            "penstock_alerts": self._alerts(line_of),
            "penstock_machines": _machines(overview),
            "penstock_console_browsers": {(): self._browsers()},
            "penstock_console_lag_records": {(): self._reader.lag},
            "penstock_console_records": {(): self._reader.records},
            "penstock_console_refused_records": {(): self._reader.refused},
            "penstock_console_up_to_date": {(): self._reader.trouble is None},
        }
        for name, (meaning, labels) in FAMILIES.items():
            family = GaugeMetricFamily(name, meaning, labels=labels)
            for values, value in rows[name].items():
                family.add_metric(values, value)
            yield family

    def _kpis(self, line_of: dict[str, str]) -> Rows:
        return {
            (line_of.get(path, path), path if path in line_of else "", name): value
            for path, datum in self._view.figures().items()
            for name, value in datum["kpis"].items()
            if value is not None
        }

    def _alerts(self, line_of: dict[str, str]) -> Rows:
        found: Rows = defaultdict(float)
        for one in self._view.open_alerts():
            labels = (line_of.get(one["asset"], ""), one["asset"], one["severity"], one["state"])
            found[labels] += 1
        return found


def _machines(overview: dict[str, Any]) -> Rows:
    return {
        (line["path"], status): sum(one["status"] == status for one in line["machines"])
        for line in overview["lines"]
        for status in SEVERITY
    }


def registry(view: View, reader: Reader, browsers: Callable[[], int]) -> CollectorRegistry:
    """The metrics of a console."""
    found = CollectorRegistry()
    found.register(_Collector(view, reader, browsers))
    return found
