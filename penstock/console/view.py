"""What the page shows, in memory: the newest value of each tag, KPIs, alerts. Bounded.

Tags and machines are those of the configuration; whatever else a topic carries is counted and left
out, so that no stream of names can fill the memory.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.alerts.reading import attention, version
from penstock.clock import Clock, now
from penstock.console.layout import NO_LINE, Layout, Machine
from penstock.quality import is_good
from penstock.settings.tags import Role
from penstock.unknown import unknown
from schemas import Kind, SensorEvent

MOST_ALERTS: Final = 1_000
"""Alerts that are kept; the page shows those that are not cleared."""
SHOWN_ALERTS: Final = 100
STALE_US: Final = 30_000_000
"""A machine of which nothing came for so long is shown as without data."""
TROUBLE: Final = ("failure", "no_data", "alert", "delay")
"""What makes a line one that needs a person, the worst first."""
_CALM: Final = ("acknowledged", "unknown", "setup", "no_order", "producing")
RUNNING: Final = "running"
"""Of a line without trouble in which a machine produces."""
SEVERITY: Final = (*TROUBLE, *_CALM)
_LINES: Final = (*TROUBLE, RUNNING, *_CALM)
KPIS: Final = ("oee", "availability", "effectiveness", "quality_ratio", "scrap_ratio")
_KINDS: Final = {"sliding": 0, "shift": 1, "size": 2}
"""Of windows, which to show first."""


@dataclass(frozen=True, slots=True)
class Value:
    """The newest value of a tag."""

    time: int
    value: float | str | None
    good: bool


class View:
    """Takes records in, in one thread, and gives what is to be shown, in others.

    Args:
        layout: Lines and machines.
        clock: Tells what is stale.
    """

    def __init__(self, layout: Layout, clock: Clock = now) -> None:
        self.layout = layout
        self.strange = 0
        """Values and figures that belong to nothing in the configuration."""
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[tuple[str, str], Value] = {}
        self._heard: dict[str, int] = {}
        self._kpis: dict[str, tuple[tuple[Any, ...], Mapping[str, Any]]] = {}
        self._alerts: dict[str, Mapping[str, Any]] = {}

    def samples(self, event: SensorEvent) -> None:
        """Take the newest sample of each tag of an event."""
        machine = self.layout.machines.get(event.asset)
        if machine is None:
            self.strange += len(event.tags)
            return
        ends = np.cumsum(event.counts)
        with self._lock:
            self._heard[event.asset] = max(event.ingest, self._heard.get(event.asset, 0))
            for k, tag in enumerate(event.tags):
                if tag not in machine.tags:
                    self.strange += 1
                elif event.counts[k]:
                    self._keep((event.asset, tag), _value(event, k, int(ends[k]) - 1))

    def _keep(self, name: tuple[str, str], value: Value) -> None:
        known = self._values.get(name)
        if known is None or value.time >= known.time:
            self._values[name] = value

    def kpi(self, datum: Mapping[str, Any]) -> None:
        """Take the figures of a window; of each line or machine the newest are kept."""
        path = datum["asset"] or datum["line"]
        if path not in self.layout.lines and path not in self.layout.machines:
            self.strange += 1
            return
        kind = _KINDS.get(datum["kind"])
        if kind is None:
            return
        rank = (-kind, datum["until"], version(datum))
        with self._lock:
            known = self._kpis.get(path)
            if known is None or rank >= known[0]:
                self._kpis[path] = (rank, datum)

    def alert(self, datum: Mapping[str, Any]) -> None:
        """Take an alert; of each id the greatest version is kept."""
        with self._lock:
            known = self._alerts.get(datum["id"])
            if known is not None and version(known) >= version(datum):
                return
            self._alerts[datum["id"]] = datum
            if len(self._alerts) > MOST_ALERTS:
                del self._alerts[max(self._alerts.values(), key=attention)["id"]]

    def found(self, name: str) -> Mapping[str, Any] | None:
        """The alert of an id."""
        with self._lock:
            return self._alerts.get(name)

    def open_alerts(self) -> list[Mapping[str, Any]]:
        """Alerts that are not cleared, those that want attention first."""
        with self._lock:
            found = [one for one in self._alerts.values() if one["state"] != "cleared"]
        return sorted(found, key=attention)

    def figures(self) -> dict[str, Mapping[str, Any]]:
        """The newest figures of each line and machine."""
        with self._lock:
            return {path: datum for path, (_, datum) in self._kpis.items()}

    def overview(self) -> dict[str, Any]:
        """Lines, machines and open alerts, for JSON."""
        alerts = self.open_alerts()
        worst: dict[str, str] = {}
        for one in reversed(alerts):
            worst[one["asset"]] = "alert" if one["state"] == "raised" else "acknowledged"
        figures = self.figures()
        lines = [
            self._line(path, machines, worst, figures)
            for path, machines in self.layout.lines.items()
            if machines
        ]
        lines.sort(key=lambda line: _LINES.index(line["status"]))
        return {
            "site": self.layout.site,
            "now": self._clock(),
            "lines": lines,
            "alerts": [_shown(one) for one in alerts[:SHOWN_ALERTS]],
            "more_alerts": max(0, len(alerts) - SHOWN_ALERTS),
        }

    def _line(
        self,
        path: str,
        machines: tuple[Machine, ...],
        worst: Mapping[str, str],
        figures: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        shown = [self._machine(machine, worst.get(machine.path)) for machine in machines]
        status = min((one["status"] for one in shown), key=SEVERITY.index)
        return {
            "path": path,
            "name": path.removeprefix(f"{self.layout.site}/") if path != NO_LINE else "no line",
            "status": status if status in TROUBLE else RUNNING if _runs(shown) else status,
            "because": _because(shown),
            "kpis": _figures(figures.get(path)),
            "machines": shown,
        }

    def _machine(self, machine: Machine, alert: str | None) -> dict[str, Any]:
        def number(role: Role) -> float | None:
            value = self._role(machine, role)
            return value if isinstance(value, float) else None

        heard = self._heard.get(machine.path)
        age = None if heard is None else self._clock() - heard
        activity = machine.activity(number(Role.STATE), number(Role.MODE))
        silent = age is None or age > STALE_US
        status = "no_data" if silent else activity
        candidates = [status, alert] if alert else [status]
        order = self._role(machine, Role.ORDER)
        return {
            "path": machine.path,
            "name": machine.name,
            "status": min(candidates, key=SEVERITY.index),
            "activity": "no_data" if silent else activity,
            "order": None if order is None else str(order),
            "good": number(Role.GOOD),
            "scrap": number(Role.SCRAP),
            "age": None if age is None else max(0, age),
        }

    def _role(self, machine: Machine, role: Role) -> float | str | None:
        tag = machine.named(role)
        value = None if tag is None else self._values.get((machine.path, tag))
        return None if value is None or not value.good else value.value

    def machine(self, path: str) -> dict[str, Any] | None:
        """All values and figures of a machine, for JSON; None: there is no such machine."""
        machine = self.layout.machines.get(path)
        if machine is None:
            return None
        with self._lock:
            values = {tag: self._values.get((path, tag)) for tag in machine.tags}
        rows = [
            {
                "tag": name,
                "role": str(tag.role),
                "unit": tag.unit,
                "description": tag.description,
                "value": None if (found := values[name]) is None else found.value,
                "time": None if found is None else found.time,
                "good": found is not None and found.good,
                "low": tag.low,
                "high": tag.high,
            }
            for name, tag in machine.tags.items()
        ]
        return {
            "path": path,
            "name": machine.name,
            "values": rows,
            "kpis": _figures(self.figures().get(path)),
        }


def _value(event: SensorEvent, k: int, n: int) -> Value:
    """The value of sample n, which is of tag k."""
    number = float(event.values[n])
    kind = _at(event.kinds, k)
    value: float | str | None = number if math.isfinite(number) else None
    if value is not None and kind == Kind.TEXT:
        value = event.texts[int(number)]
    time = event.start + int(_at(event.offsets, n))
    return Value(time, value, is_good(int(_at(event.quality, n))) and value is not None)


def _at(column: Any, n: int) -> float:
    """Entry n of a column of full length, of length 1 (one for all) or 0 (absent: 0)."""
    if len(column) == 0:
        return 0
    return float(column[n] if len(column) > 1 else column[0])


def _because(machines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which machines are in which trouble, the worst first; a few names of each."""
    named = {
        status: [one["name"] for one in machines if one["status"] == status] for status in TROUBLE
    }
    return [{"status": status, "names": _few(names)} for status, names in named.items() if names]


def _few(names: list[str], most: int = 5) -> list[str]:
    """The first names, and how many more there are.

    >>> _few(["a", "b", "c", "d"], 2)
    ['a', 'b', 'and 2 more']
    """
    left = len(names) - most
    return names if left <= 0 else [*names[:most], f"and {left} more"]


def _runs(machines: list[dict[str, Any]]) -> bool:
    return any(one["activity"] == "producing" for one in machines)


def _figures(datum: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if datum is None:
        return None
    kpis = datum["kpis"]
    known = {name: kpis[name] for name in KPIS if name in kpis}
    return {
        "window": f"{datum['kind']} {datum['name']}",
        "until": datum["until"],
        "incomplete": datum["incomplete"],
        "standard": datum["standard"],
        "coverage": datum["coverage"] if _finite(datum["coverage"]) else None,
        "doubts": list(datum["flags"]),
        "values": {name: value for name, value in known.items() if _finite(value)},
        "unknown": unknown({**datum, "kpis": known}),
    }


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _shown(alert: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "asset", "cause", "severity", "state", "message", "onset", "raised")
    shown = {name: alert[name] for name in (*names, "acknowledged_by", "note")}
    words = list(alert["evidence"]["words"])
    return {**shown, "words": words, "name": alert["asset"].rpartition("/")[2]}
