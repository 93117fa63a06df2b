"""Follows the lines' sliding KPIs while the demo runs, for the live view."""

from collections.abc import Mapping
from typing import Any, cast

from penstock.errors import PenstockError
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import KPIS
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant


class KpiTail:
    """The newest figures of each line; those of before are passed over.

    Args:
        plant: Where Kafka and the registry are.
    """

    def __init__(self, plant: Plant) -> None:
        self._tail = Tail(plant.kafka, {KPIS.name: 0}, f"{plant.environment}-kpi-tail")
        self._registry = Registry(plant.registry)
        self._decoder = Decoder(self._registry)
        self._site = f"{plant.site.path}/"
        self.lines: dict[str, Mapping[str, Any]] = {}
        """The last record of each line's sliding window, by path below the site."""

    def look(self) -> None:
        """Take what came."""
        for message in self._tail.poll(seconds=0.0):
            try:
                record = cast("Mapping[str, Any]", self._decoder.record(message).value)
            except PenstockError:
                continue  # a view shows what it can
            if record["scope"] == "line" and record["kind"] == "sliding":
                line = record["line"].removeprefix(self._site)
                known = self.lines.get(line)
                if known is None or record["window_end"] >= known["window_end"]:
                    self.lines[line] = record

    def close(self) -> None:
        """Let go of Kafka and the registry."""
        self._tail.close()
        self._registry.close()
