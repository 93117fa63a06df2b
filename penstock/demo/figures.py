"""Turns successive scrapes into the figures of the live view: rates, delays, totals."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock.demo.scrape import Scrape, quantile, scrape
from penstock.runtime.process import Component


@dataclass(frozen=True, slots=True)
class Row:
    """One component at one moment."""

    component: Component
    ready: bool
    failed: bool
    status: str
    samples_per_s: float
    bytes_per_s: float
    samples: float
    scrape: Scrape


class Figures:
    """Scrapes components and remembers the last scrape of each, for rates.

    Args:
        run_dir: Where the components' notes are.
        monotonic: Seconds.
    """

    def __init__(self, run_dir: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._run_dir = run_dir
        self._monotonic = monotonic
        self._last: dict[Component, tuple[float, Scrape]] = {}
        self._kept: dict[tuple[Component, str], float] = {}

    def rows(self, components: Iterable[Component]) -> list[Row]:
        """The components' figures now."""
        return [self._row(component) for component in components]

    def total(self, metric: str, label: str | None = None) -> float:
        """A metric over all components as last scraped, with what restarted ones had counted."""
        live = sum(found.value(metric, label) for _, found in self._last.values())
        name = metric if label is None else f"{metric}/{label}"
        return live + sum(v for (_, kept), v in self._kept.items() if kept == name)

    def delay(self, share: float) -> float | None:
        """Seconds from a sample's source time to the window's input: the quantile over the run."""
        merged: dict[float, float] = {}
        for _, found in self._last.values():
            for bound, count in found.buckets("penstock_end_to_end_seconds").items():
                merged[bound] = merged.get(bound, 0.0) + count
        return quantile(merged, share)

    def _row(self, component: Component) -> Row:
        now, found = self._monotonic(), scrape(self._run_dir / f"{component}.json")
        samples = _samples(component, found)
        rate = bytes_rate = 0.0
        if found.status and component in self._last:
            before, old = self._last[component]
            seconds = max(now - before, 1e-3)
            rate = max(0.0, samples - _samples(component, old)) / seconds
            received = "penstock_connector_received_bytes_total"
            bytes_rate = max(0.0, found.value(received) - old.value(received)) / seconds
            if samples < _samples(component, old):
                self._keep(component, old)
                rate = 0.0
        if found.status:
            self._last[component] = (now, found)
        status = str(found.status.get("failure") or found.status.get("last_error") or "")
        failed = bool(found.status.get("failure"))
        return Row(component, found.ready, failed, status, rate, bytes_rate, samples, found)

    def _keep(self, component: Component, old: Scrape) -> None:
        for (metric, label), value in old.values.items():
            for name in (metric, f"{metric}/{label}"):
                key = (component, name)
                self._kept[key] = self._kept.get(key, 0.0) + value


def _samples(component: Component, found: Scrape) -> float:
    if component.role == "connector":
        return found.value("penstock_connector_samples_total")
    if component.role == "processor":
        return found.value("penstock_processor_samples_total")
    return found.value("penstock_sink_carried_out", "rows") or found.value(
        "penstock_sink_carried_out", "messages"
    )
