"""The topics, by contract: what each carries, how it is keyed and how long it is kept."""

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000
MAX_MESSAGE_BYTES: Final = 10_485_760
"""Of every topic: a snapshot's row of a large asset does not fit Kafka's default of 1 MiB."""
HEADERS_BYTES: Final = 1_048_576
"""By how much a dead letter may be larger than the message that it was."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's contract; `record` is its schema, None for raw bytes."""

    name: str
    record: str | None
    retention_ms: int | None = None
    """How long records are kept; None: compacted, the newest of each key for ever."""


SENSORS: Final = Topic("ot.sensors.v1", "SensorEvent", 7 * DAY_MS)
SAMPLES: Final = Topic("ot.samples.v1", "Sample", 7 * DAY_MS)
CATALOG: Final = Topic("ot.catalog.v1", "TagDescriptor")
FEATURES: Final = Topic("ot.features.v1", "WindowStatistics", 30 * DAY_MS)
PARTIALS: Final = Topic("ot.partials.v1", "LinePartial", 7 * DAY_MS)
LINES: Final = Topic("ot.lines.v1", "LineStatistics", 30 * DAY_MS)
ANOMALIES: Final = Topic("ot.anomalies.v1", "AnomalyScore", 30 * DAY_MS)
PRODUCTION: Final = Topic("ot.production-partials.v1", "ProductionPartial", 7 * DAY_MS)
KPIS: Final = Topic("dmz.kpis.v1", "KpiWindow", 365 * DAY_MS)
ORDERS: Final = Topic("it.erp.orders.v1", "ProductionOrder")
PERFORMANCE: Final = Topic(
    "it.erp.production-performance.v1", "ProductionPerformance", 365 * DAY_MS
)
ALERTS: Final = Topic("dmz.alerts.v1", "Alert", 365 * DAY_MS)
ACKNOWLEDGEMENTS: Final = Topic("dmz.alert-acknowledgements.v1", "Acknowledgement", 365 * DAY_MS)
MAINTENANCE: Final = Topic("it.erp.maintenance-requests.v1", "MaintenanceRequest", 365 * DAY_MS)
DEAD_LETTERS: Final = ".dlq"
"""How the names of dead-letter topics end."""
RETRIES: Final = ".retry"
"""How the names of topics end that hold what becomes of dead letters."""
LATE_REASON: Final = "penstock.late.reason"
"""Header of a late topic's records: why they came too late."""
LATE_PROCESSOR: Final = "penstock.late.processor"
"""Header of a late topic's records: for whom they came too late."""
LATE_ORIGIN: Final = "penstock.late.origin"
"""Header of a record that is late as a whole: its partition and offset, as `3/1207`."""
TOPICS: Final = (
    SENSORS,
    SAMPLES,
    CATALOG,
    FEATURES,
    PARTIALS,
    LINES,
    ANOMALIES,
    PRODUCTION,
    KPIS,
    ORDERS,
    PERFORMANCE,
    ALERTS,
    ACKNOWLEDGEMENTS,
    MAINTENANCE,
)


def dead_letters(topic: str) -> Topic:
    """Where what cannot be decoded or processed goes, byte for byte."""
    return Topic(topic + DEAD_LETTERS, None, 30 * DAY_MS)


def retries(topic: str) -> Topic:
    """Where dead letters go that are to be taken again, and word of those that are dropped."""
    return Topic(topic + RETRIES, None, 30 * DAY_MS)


def late(topic: str, record: str = "SensorEvent") -> Topic:
    """Where samples go that no window takes any more; SensorEvents that hold only those.

    Of a topic with another schema its late records, byte for byte.
    """
    return Topic(f"{topic}.late", record, 30 * DAY_MS)


def state(name: str) -> Topic:
    """A processor's snapshots."""
    return Topic(name, None)


def control(name: str) -> Topic:
    """What people command of a processor."""
    return Topic(name, None)
