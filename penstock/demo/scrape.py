"""Reads what the pipeline's processes say of themselves: their metrics and their status."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT: Final = 1.0
LAST_BOUND_MS: Final = 10_000.0
"""Of the histogram of delays: what lies beyond it is only known to be slower."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One process's word; `values` by (metric, one label's value or "") summed over the others.

    `greatest` is by metric the greatest over all labels.
    """

    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    greatest: Mapping[str, float] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether the process does its work."""
        return bool(self.status.get("ready"))

    def value(self, metric: str, label: str | None = None) -> float:
        """A metric's value; without a label the sum over all."""
        if label is not None:
            return self.values.get((metric, label), 0.0)
        return sum(value for (name, _), value in self.values.items() if name == metric)

    def buckets(self, metric: str) -> dict[float, float]:
        """A histogram's cumulative counts by upper bound."""
        found = {}
        for (name, bound), value in self.values.items():
            if name == f"{metric}_bucket":
                found[float(bound)] = value
        return dict(sorted(found.items()))


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which a share of a histogram lies, by linear interpolation.

    >>> quantile({1.0: 50.0, 2.0: 100.0, float("inf"): 100.0}, 0.75)
    1.5
    """
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    below, low = 0.0, 0.0
    for bound, count in buckets.items():
        if count >= share * total:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (share * total - below) / max(count - below, 1.0)
        below, low = count, bound
    return low


def shown_delay(milliseconds: float | None) -> str:
    """A delay for people.

    >>> shown_delay(42.3), shown_delay(10_000.0), shown_delay(None)
    ('42 ms', '≥ 10 s', '–')
    """
    if milliseconds is None:
        return "–"
    if milliseconds >= LAST_BOUND_MS:
        return f"≥ {LAST_BOUND_MS / 1e3:.0f} s"
    return f"{milliseconds:.0f} ms"


def scrape(note: Path) -> Scrape:
    """Ask the process whose note this is; an empty answer where it is not there."""
    try:
        port = json.loads(note.read_text())["port"]
        status = json.loads(_get(port, "/status"))
        text = _get(port, "/metrics").decode()
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return Scrape()
    values: dict[tuple[str, str], float] = {}
    greatest: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            label = sample.labels.get("le") or sample.labels.get("what") or ""
            key = (sample.name, label)
            values[key] = values.get(key, 0.0) + sample.value
            greatest[sample.name] = max(greatest.get(sample.name, sample.value), sample.value)
    return Scrape(values, greatest, status)


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()
