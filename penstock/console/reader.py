"""Follows the topics into the view, in a thread of its own."""

import threading
from typing import Any, Final

import structlog

from penstock.clock import now
from penstock.console.view import View
from penstock.errors import (
    DecodeError,
    KafkaUnavailableError,
    PenstockError,
    UnknownSchemaError,
)
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import ALERTS, KPIS, SENSORS
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant

BACK: Final[dict[str, int | None]] = {SENSORS.name: 200, KPIS.name: 2_000, ALERTS.name: 10_000}
"""Records of each partition before the end that the view begins with."""
MOST_LAG: Final = 20_000
"""Records behind the end, beyond which the reader goes on at the newest."""
WAIT_SECONDS: Final = 2.0

_log = structlog.get_logger()


class Reader:
    """Keeps a view up to date until `close`.

    Args:
        plant: Where Kafka and the registry are.
        view: What is kept.
    """

    def __init__(self, plant: Plant, view: View) -> None:
        self._plant = plant
        self._view = view
        self._stopping = threading.Event()
        self.trouble: str | None = "not connected yet"
        """Why nothing new comes; None while all is well."""
        self.lag = 0
        self.records = 0
        self.skipped = 0
        self.refused = 0
        """Records that made no sense."""
        self.read_at = 0
        """When the topics were last asked, microseconds."""
        self._thread = threading.Thread(target=self._run, name="console-reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except PenstockError as error:
                self.trouble = str(error)
                _log.warning("the view waits", error=str(error))
            except Exception as error:  # the page must say so, not go silent
                self.trouble = f"{type(error).__name__}: {error}"
                _log.exception("the view waits")
            self._stopping.wait(WAIT_SECONDS)

    def _follow(self) -> None:
        decoder = Decoder(Registry(self._plant.registry))
        name = f"{self._plant.environment}-console"
        with Tail(self._plant.kafka, BACK, name) as tail:
            while not self._stopping.is_set():
                for message in tail.poll():
                    self._take(decoder, message)
                self.lag, self.read_at = tail.lag(), now()
                if tail.failing is not None:
                    raise KafkaUnavailableError(tail.failing)
                self.trouble = None
                if self.lag > MOST_LAG:
                    self.skipped += self.lag
                    tail.skip([SENSORS.name])

    def _take(self, decoder: Decoder, message: Any) -> None:
        try:
            record = decoder.record(message)
            value: Any = record.value
            if record.topic == SENSORS.name:
                self._view.samples(value)
            elif record.topic == KPIS.name:
                self._view.kpi(value)
            else:
                self._view.alert(value)
        except (DecodeError, UnknownSchemaError) as error:
            self.refused += 1
            _log.warning("a record makes no sense", error=str(error))
        else:
            self.records += 1
