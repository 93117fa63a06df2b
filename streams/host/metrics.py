"""Prometheus metrics of stream processors, in base units. No label is ever a tag's name."""

import threading
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_PROCESSOR: Final = ["processor"]
_PARTITION: Final = ["processor", "partition"]
_INPUT: Final = ["processor", "topic", "partition"]

RECORDS: Final = Counter("penstock_processor_records", "Records read", _PROCESSOR)
SAMPLES: Final = Counter("penstock_processor_samples", "Samples given to the operator", _PROCESSOR)
DUPLICATES: Final = Counter(
    "penstock_processor_duplicate_records", "Records seen before, dropped", _PROCESSOR
)
DEAD: Final = Counter(
    "penstock_processor_dead_records", "Records sent to the dead letters", _PROCESSOR
)
LOST: Final = Counter(
    "penstock_processor_lost_records", "Records that expired before they were read", _PROCESSOR
)
BAD: Final = Counter(
    "penstock_processor_bad_samples", "Samples not good or not finite, not aggregated", _PROCESSOR
)
LATE: Final = Counter(
    "penstock_processor_late_samples", "Samples sent to the late topic", _PROCESSOR
)
RESULTS: Final = Counter("penstock_processor_results", "Results published", _PROCESSOR)
LAG: Final = Gauge("penstock_processor_lag_records", "Records not yet processed", _INPUT)
WATERMARK_DELAY: Final = Gauge(
    "penstock_processor_watermark_delay_seconds",
    "How far the slowest source of a partition is behind the wall clock",
    _PARTITION,
)
SNAPSHOT_SECONDS: Final = Histogram(
    "penstock_snapshot_seconds",
    "From capturing a partition's state to its commit",
    _PROCESSOR,
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0),
)
SNAPSHOTS: Final = Counter("penstock_snapshots", "Snapshots committed", _PROCESSOR)
SNAPSHOT_AGE: Final = Gauge(
    "penstock_snapshot_age_seconds", "Age of what is processed and not yet stored", _PARTITION
)
RESTORE_SECONDS: Final = Gauge(
    "penstock_restore_seconds", "Time that the last restore took", _PROCESSOR
)
PARKED: Final = Gauge(
    "penstock_processor_parked", "1 while the partition stands still until resumed", _PARTITION
)
BOOKED_RECORDS: Final = Gauge(
    "penstock_processor_booked_records",
    "Books of records: in + retried = processed + duplicate + dead; lost: expired unread",
    [*_INPUT, "what"],
)
BOOKED_SAMPLES: Final = Gauge(
    "penstock_processor_booked_samples",
    "Books of the state's samples: in = aggregated + bad + late",
    [*_PARTITION, "what"],
)
STATE_AT_RISK: Final = Gauge(
    "penstock_state_at_risk",
    "1 if a snapshot may be lost with one broker: replication or min.insync.replicas below 2",
    _PROCESSOR,
)
FENCED: Final = Counter(
    "penstock_fenced", "Partitions lost to another worker before they were handed over", _PROCESSOR
)

_EDGES: Final = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip


class EndToEnd(Collector):
    """Histogram of the time from a sample's source to the operator, filled a batch at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._edges = np.array([round(edge * 1e6) for edge in _EDGES], np.int64)
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, processor: str, delays: NDArray[np.int64]) -> None:
        """Count delays, microseconds."""
        if not len(delays):
            return
        counts = np.zeros(len(self._edges) + 1, np.int64)
        least, most = np.searchsorted(self._edges, (delays.min(), delays.max())).tolist()
        if least == most:  # as of all old samples
            counts[least] = len(delays)
        else:
            bucket = np.searchsorted(self._edges, delays)
            counts += np.bincount(bucket, minlength=len(counts))
        with self._lock:
            self._counts[processor] = self._counts.get(processor, 0) + counts
            self._sums[processor] = self._sums.get(processor, 0.0) + float(delays.sum()) / 1e6

    def collect(self) -> Iterable[Metric]:
        """The histogram, for the registry."""
        family = HistogramMetricFamily(
            "penstock_end_to_end_seconds",
            "From a sample's source time to the processor that takes it up",
            labels=_PROCESSOR,
        )
        bounds = [str(edge) for edge in _EDGES] + ["+Inf"]
        with self._lock:
            for processor, counts in self._counts.items():
                buckets = list(zip(bounds, np.cumsum(counts).tolist(), strict=True))
                family.add_metric([processor], buckets, self._sums[processor])
        yield family


END_TO_END: Final = EndToEnd()
REGISTRY.register(END_TO_END)
