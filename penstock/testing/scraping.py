"""What running processes export, as Prometheus sees it."""

import http.client
import json
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

Exported = dict[str, set[str]]
"""Of each metric, by its name in Prometheus, the labels that its samples have."""


def exported(text: str) -> Exported:
    """The metrics of one scrape."""
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def joined(scrapes: Iterable[Exported]) -> Exported:
    """The metrics of several."""
    found: Exported = {}
    for one in scrapes:
        for name, labels in one.items():
            found.setdefault(name, set()).update(labels)
    return found


def scrape_run(folder: Path) -> Exported:
    """What the processes export whose notes are in a run folder; those that are gone are not."""
    found = []
    for note in sorted(folder.glob("*.json")):
        try:
            port = json.loads(note.read_text())["port"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/metrics")
            found.append(exported(connection.getresponse().read().decode()))
            connection.close()
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            continue
    return joined(found)
