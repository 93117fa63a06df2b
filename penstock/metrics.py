"""Prometheus metrics of connectors and sinks, in base units. No label is ever a tag's name.

Those of the stream host stand beside it. All are exported by `penstock.health`.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS: Final = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
"""Seconds; fine enough around the half second that a plant's view may lag."""

CONNECTOR_UP: Final = Gauge("penstock_connector_up", "1 while the source is connected", ["source"])
CONNECTOR_SAMPLES: Final = Counter(
    "penstock_connector_samples", "Samples acknowledged by Kafka", ["source"]
)
CONNECTOR_EVENTS: Final = Counter(
    "penstock_connector_events", "Events acknowledged by Kafka", ["source"]
)
CONNECTOR_BAD: Final = Counter(
    "penstock_connector_bad_samples", "Samples whose quality is not good", ["source"]
)
CONNECTOR_BYTES: Final = Counter(
    "penstock_connector_received_bytes", "Bytes received from the device", ["source"]
)
CONNECTOR_REQUESTS: Final = Counter(
    "penstock_connector_requests", "Requests sent to the device", ["source"]
)
CONNECTOR_WRITES: Final = Counter(
    "penstock_connector_writes", "Requests that could change something in the device", ["source"]
)
CONNECTOR_REBIRTHS: Final = Counter(
    "penstock_connector_rebirth_requests", "Sparkplug edge nodes asked to be born again", ["source"]
)
CONNECTOR_ERRORS: Final = Counter(
    "penstock_connector_errors", "Requests or connections that failed", ["source"]
)
CONNECTOR_MISSED: Final = Counter(
    "penstock_connector_missed_polls", "Polls skipped as earlier ones were under way", ["source"]
)
CONNECTOR_CONNECTS: Final = Counter(
    "penstock_connector_connects", "Times that the source was connected", ["source"]
)
CONNECTOR_STALE: Final = Gauge(
    "penstock_connector_stale_tags", "Tags without news for longer than they may be", ["source"]
)
CONNECTOR_IN_FLIGHT: Final = Gauge(
    "penstock_connector_unacknowledged_samples",
    "Samples that Kafka has not acknowledged",
    ["source"],
)
CONNECTOR_BLOCKED: Final = Counter(
    "penstock_connector_blocked_seconds", "Time that reading stood still for Kafka", ["source"]
)
CONNECTOR_ACKNOWLEDGE: Final = Histogram(
    "penstock_connector_acknowledge_seconds",
    "From handing an event to Kafka to its acknowledgement",
    ["source"],
    buckets=LATENCY_BUCKETS,
)

SINK_RECORDS: Final = Counter("penstock_sink_records", "Records taken", ["sink"])
SINK_DEAD: Final = Counter(
    "penstock_sink_dead_records", "Records sent to the dead letters", ["sink"]
)
SINK_LAG: Final = Gauge("penstock_sink_lag_records", "Records not yet read", ["sink"])
SINK_FLUSH: Final = Histogram("penstock_sink_flush_seconds", "Time of a flush with work", ["sink"])
SINK_COUNTERS: Final = Gauge(
    "penstock_sink_carried_out", "What the sink counts of itself, by what", ["sink", "what"]
)
