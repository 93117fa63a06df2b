"""MaintenanceRequest for the ERP or maintenance system: one per alert, kept up to date.

    sinks:
      maintenance: {type: maintenance, severity: medium}

Reads `dmz.alerts.v1` and sends, keyed by the machine, a request for each alert of at least the
given severity: when it is raised, when a person acknowledges it, and when it is over. The ID is the
alert's, so that there is one request per alert however often it is sent; the Version grows, and a
reader keeps the message of the greatest. It is a conduit from the DMZ to IT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import structlog
from pydantic import Field

from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.errors import DecodeError
from penstock.kafka import cloud_events
from penstock.kafka.admin import ensure_topics
from penstock.kafka.producers import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import ALERTS, MAINTENANCE, Topic
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord, SinkSettings

_SEVERITIES: Final = ("low", "medium", "high")
_STATES: Final = {"raised": "Requested", "acknowledged": "Acknowledged", "cleared": "Ended"}


class MaintenanceSettings(SinkSettings):
    """Which alerts ask for maintenance, and where that is read."""

    topic: str = Field(MAINTENANCE.name, description="Topic of MaintenanceRequest.")
    severity: Literal["low", "medium", "high"] = Field(
        "medium", description="The least severity of an alert that asks for maintenance."
    )


class MaintenanceSink(Sink):
    """Turns alerts into maintenance requests."""

    Settings = MaintenanceSettings
    settings: MaintenanceSettings
    keeps_offsets = False

    def __init__(self, name: str, settings: MaintenanceSettings, plant: Plant, **more: Any) -> None:
        super().__init__(name, settings, plant, **more)
        self._log = structlog.get_logger().bind(sink=name)
        self._next: dict[int, int] = {}
        self._messages = 0
        self._producer = SyncProducer(plant.kafka, f"{plant.environment}-{name}")
        self._registry = Registry(plant.registry)
        self._schema_id: int | None = None

    @property
    def topics(self) -> Sequence[str]:
        """Alerts."""
        return [ALERTS.name]

    @property
    def writes(self) -> Sequence[Topic]:
        """The requests."""
        return [replace(MAINTENANCE, name=self.settings.topic)]

    @property
    def counters(self) -> dict[str, float]:
        """Messages sent by this process."""
        return {"messages": float(self._messages)}

    def open(self, topic: str, partition: int) -> int | None:
        """Go on where the group has committed.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            RegistryUnavailableError: The registry does not answer.
            TopicError: The topic of requests has another number of partitions.
        """
        self.close(topic, partition)
        if self._schema_id is None:
            ensure_topics(self.plant.kafka, self.writes)
            record = str(MAINTENANCE.record)
            self._schema_id = self._registry.register(self.settings.topic, record)
        return None

    def close(self, topic: str, partition: int) -> None:
        """Nothing is kept of a partition."""
        del topic
        self._next.pop(partition, None)

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Send the requests of alerts.

        Raises:
            DecodeError: An alert has a severity or state that is none.
        """
        requests = [(record, request(record.value, record.offset + 1)) for record in records]
        least = _SEVERITIES.index(self.settings.severity)
        for record, datum in requests:
            self._next[record.partition] = record.offset + 1
            if _SEVERITIES.index(datum["Priority"]) >= least:
                self._send(datum)

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Wait until Kafka has all messages.

        Raises:
            KafkaUnavailableError: Kafka does not have them yet.
        """
        del force
        self._producer.flush()
        return {(ALERTS.name, partition): offset for partition, offset in self._next.items()}

    def _send(self, datum: Mapping[str, Any]) -> None:
        assert self._schema_id is not None, "write comes after open"
        message = frame(self._schema_id, encode_record(str(MAINTENANCE.record), dict(datum)))
        told = cloud_events.headers(
            str(MAINTENANCE.record),
            cloud_events.source(self.plant, self.name),
            f"{datum['ID']}/{datum['Version']}",
            self.clock(),
        )
        self._producer.send(self.settings.topic, datum["HierarchyScope"].encode(), message, told)
        self._messages += 1
        self._log.info("request", id=datum["ID"], state=datum["RequestState"])


def request(alert: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The MaintenanceRequest of an alert, both as data of their schemas.

    Raises:
        DecodeError: The alert's severity or state is none.
    """
    if alert["severity"] not in _SEVERITIES or alert["state"] not in _STATES:
        msg = f"alert {alert['id']!r} is {alert['severity']!r} and {alert['state']!r}"
        raise DecodeError(msg, remedy="look at what else writes to the topic")
    return {
        "ID": alert["id"],
        "Version": version,
        "HierarchyScope": alert["asset"],
        "WorkType": "Maintenance",
        "Description": [alert["message"], *alert["evidence"]["words"]],
        "Priority": alert["severity"],
        "RequestState": _STATES[alert["state"]],
        "StartTime": alert["onset"],
        "EndTime": alert["cleared"],
        "RequestedBy": alert["cause"],
        "AcknowledgedBy": alert["acknowledged_by"],
    }
