"""ProductionPerformance for the ERP system: what was made for each order, when it ends.

    sinks:
      erp: {type: erp, topic: it.erp.production-performance.v1}

Follows every asset whose tag list has an `order` tag, with its `good` and `scrap` counters, and
sends a `Started` and a `Completed` message, keyed by the order, for each order whose beginning it
saw: the order tag changed to it. The ID is the same each
time, the Version grows: a reader keeps the message of the greatest Version. After a restart the
open orders are read again from Kafka, and their messages come out the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import structlog
from pydantic import Field

from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.kafka import cloud_events
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import PERFORMANCE, SENSORS
from penstock.quality import is_good
from penstock.settings.plant import Plant
from penstock.settings.tags import Role
from penstock.sink import Sink, SinkRecord, SinkSettings
from penstock.units import microseconds
from schemas import Kind, SensorEvent
from sinks.orders import OrderReport, OrderTracker, Reading

_ROLES: Final = (Role.ORDER, Role.GOOD, Role.SCRAP)


class ErpSettings(SinkSettings):
    """Where the ERP system reads."""

    topic: str = Field(PERFORMANCE.name, description="Topic of ProductionPerformance.")


class ErpSink(Sink):
    """Reports orders to the ERP topic."""

    Settings = ErpSettings
    settings: ErpSettings
    keeps_offsets = False

    def __init__(self, name: str, settings: ErpSettings, plant: Plant, **more: Any) -> None:
        super().__init__(name, settings, plant, **more)
        self._log = structlog.get_logger().bind(sink=name)
        self._roles: dict[tuple[str, str], Role] = {}
        self._maximum: dict[str, dict[Role, float]] = {}
        for tag in (tag for tags in plant.tags.values() for tag in tags if tag.role in _ROLES):
            asset = plant.asset_path(tag.asset)
            self._roles[asset, tag.tag] = tag.role
            if tag.max is not None:
                self._maximum.setdefault(asset, {})[tag.role] = tag.max
        self._clock_ahead = microseconds(plant.windows.clock_ahead)
        self._followed = {asset for (asset, _), role in self._roles.items() if role is Role.ORDER}
        self._trackers: dict[int, dict[str, OrderTracker]] = {}
        self._next: dict[int, int] = {}
        self._messages = 0
        self._producer = SyncProducer(plant.kafka, f"{plant.environment}-{name}")
        self._registry = Registry(plant.registry)
        self._schema_id: int | None = None

    @property
    def topics(self) -> Sequence[str]:
        """SensorEvents."""
        return [SENSORS.name]

    @property
    def counters(self) -> dict[str, float]:
        """Messages sent by this process."""
        return {"messages": float(self._messages)}

    def open(self, topic: str, partition: int) -> int | None:
        """Begin with no order known; the group's offset lies before all open ones.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            RegistryUnavailableError: The registry does not answer.
            TopicError: The ERP system's topic has another number of partitions.
        """
        self.close(topic, partition)
        if self._schema_id is None:
            ensure_topics(self.plant.kafka, [replace(PERFORMANCE, name=self.settings.topic)])
            record = str(PERFORMANCE.record)
            self._schema_id = self._registry.register(self.settings.topic, record)
        return None

    def close(self, topic: str, partition: int) -> None:
        """Forget the partition's orders; its next owner reads them again."""
        del topic
        self._trackers.pop(partition, None)
        self._next.pop(partition, None)

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Follow the orders."""
        for record in records:
            event: SensorEvent = record.value
            self._next[record.partition] = record.offset + 1
            if event.asset not in self._followed:
                continue
            for report in self._tracker(record.partition, event.asset).take(
                self._readings(event, record.offset)
            ):
                self._send(event.asset, report, version=record.offset + 1)

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Wait until Kafka has all messages; gives from where the open orders begin.

        Raises:
            KafkaUnavailableError: Kafka does not have them yet.
        """
        del force
        self._producer.flush()
        return {
            (SENSORS.name, partition): min(
                [
                    tracker.resume_offset(position)
                    for tracker in self._trackers.get(partition, {}).values()
                ],
                default=position,
            )
            for partition, position in self._next.items()
        }

    def _tracker(self, partition: int, asset: str) -> OrderTracker:
        trackers = self._trackers.setdefault(partition, {})
        if asset not in trackers:
            out_of_order = microseconds(self.plant.windows.out_of_order)
            trackers[asset] = OrderTracker(out_of_order, self._maximum.get(asset, {}))
        return trackers[asset]

    def _readings(self, event: SensorEvent, offset: int) -> list[Reading]:
        """Good samples of the tags that matter, but for those of a clock that runs ahead."""
        latest = event.ingest + self._clock_ahead
        found = []
        ends = np.cumsum(event.counts)
        for k, (tag, end, count) in enumerate(zip(event.tags, ends, event.counts, strict=True)):
            role = self._roles.get((event.asset, tag))
            if role is None:
                continue
            is_text = _at(event.kinds, k) == Kind.TEXT
            for n in range(end - count, end):
                time = event.start + _at(event.offsets, n)
                value = _value(event, n, role, is_text=is_text)
                if value is not None and time <= latest:
                    found.append(Reading(time, role, value, offset))
        return found

    def _send(self, asset: str, report: OrderReport, *, version: int) -> None:
        pieces = [("Produced", report.good), ("Scrap", report.scrap)]
        datum = {
            "ID": f"{asset}/{report.order}",
            "Version": version,
            "HierarchyScope": asset,
            "ProductionRequestID": report.order,
            "ResponseState": "Completed" if report.completed else "Started",
            "StartTime": report.started,
            "EndTime": report.ended,
            "MaterialActual": [
                {"MaterialUse": use, "Quantity": quantity, "UnitOfMeasure": "EA"}
                for use, quantity in pieces
            ],
        }
        assert self._schema_id is not None, "write comes after open"
        message = frame(self._schema_id, encode_record(str(PERFORMANCE.record), datum))
        told = cloud_events.headers(
            str(PERFORMANCE.record),
            cloud_events.source(self.plant, self.name),
            f"{datum['ID']}/{version}/{datum['ResponseState']}",
            self.clock(),
        )
        self._producer.send(self.settings.topic, report.order.encode(), message, told)
        self._messages += 1
        self._log.info("order", asset=asset, order=report.order, state=datum["ResponseState"])


def _value(event: SensorEvent, n: int, role: Role, *, is_text: bool) -> float | str | None:
    """What a sample says: an order's name, also where it is a number, or a count; None: nothing."""
    number = float(event.values[n])
    if not is_good(_at(event.quality, n)) or not np.isfinite(number):
        return None
    if role is Role.ORDER:
        return event.texts[int(number)] if is_text else f"{number:.15g}"
    return None if is_text else number


def _at(column: np.ndarray[Any, Any], n: int) -> int:
    """Sample n of a column of length N, 1 (one for all) or 0 (absent: 0)."""
    if len(column) == 0:
        return 0
    return int(column[n] if len(column) > 1 else column[0])
