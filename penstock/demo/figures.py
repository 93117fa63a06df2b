"""Turns successive scrapes into the figures of the live view: rates, delays, totals."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.demo.scrape import Scrape, quantile, scrape
from penstock.runtime.process import Component

WINDOWS: Final = Component("processor", "window-statistics")
"""The processor to whose input a sample's way is measured, and that is killed on request."""


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
        self._kept: dict[Component, Counter[tuple[str, str]]] = defaultdict(Counter)
        """What processes that ended had counted, as last scraped."""

    def rows(self, components: Iterable[Component]) -> list[Row]:
        """The components' figures now."""
        return [self._row(component) for component in components]

    def total(self, metric: str, label: str | None = None) -> float:
        """A metric over all components as last scraped, with what restarted ones had counted."""
        lives = (life for component in self._last for life in self._lives(component))
        return sum(life.value(metric, label) for life in lives)

    def delay(self, share: float) -> float | None:
        """Seconds from a sample's source time to the window's input: the quantile over the run."""
        merged: Counter[float] = Counter()
        for life in self._lives(WINDOWS):
            merged.update(life.buckets("penstock_end_to_end_seconds"))
        return quantile(dict(sorted(merged.items())), share)

    def _lives(self, component: Component) -> Iterator[Scrape]:
        """What a component's process said last, and all before it as one."""
        if component in self._last:
            yield self._last[component][1]
        if component in self._kept:
            yield Scrape(self._kept[component])

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
            if found.status.get("pid") != old.status.get("pid"):
                self._kept[component].update(old.values)
                rate = bytes_rate = 0.0
        if found.status:
            self._last[component] = (now, found)
        status = str(found.status.get("failure") or found.status.get("last_error") or "")
        failed = bool(found.status.get("failure"))
        return Row(component, found.ready, failed, status, rate, bytes_rate, samples, found)


def _samples(component: Component, found: Scrape) -> float:
    if component.role == "connector":
        return found.value("penstock_connector_samples_total")
    if component.role == "processor":
        return found.value("penstock_processor_samples_total")
    return found.value("penstock_sink_carried_out", "rows") or found.value(
        "penstock_sink_carried_out", "messages"
    )
