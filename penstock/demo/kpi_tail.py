"""Follows the lines' sliding KPIs while the demo runs, for the live view."""

import threading
from collections.abc import Mapping
from typing import Any, Final, cast

from penstock.errors import KafkaUnavailableError, PenstockError
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import KPIS
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant

LOOK_SECONDS: Final = 1.0


class KpiTail:
    """The newest figures of each line; those of before are passed over.

    It looks in a thread of its own: whoever shows the figures need not wait while Kafka is away.

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
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="kpis", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._look()
            except KafkaUnavailableError:
                continue  # what came meanwhile is there when Kafka is back

    def _look(self) -> None:
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
        self._stopping.set()
        self._thread.join()
        self._tail.close()
        self._registry.close()
