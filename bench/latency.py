"""From the append of the record that closes a window to the append of the window's result."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from confluent_kafka import Producer

from bench.cluster import Cluster
from bench.messages import Encoder
from bench.rounds import make_task
from bench.system import System
from bench.workload import BEGIN, OUT_OF_ORDER, WINDOW, Workload
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry

RATE: Final = 50_000
"""Samples per second."""
SETTLE: Final = 0.25
"""Share of the run that is not measured, from its beginning."""
_CHUNK: Final = 10
"""Messages sent at a time."""
_DRAIN_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    results: int
    p50: float
    p99: float
    most: float


def measure(cluster: Cluster, system: System, seconds: float) -> Latency:
    """Feed a system steadily and watch how soon its results come.

    Event time runs faster than the clock, so that many windows close.
    """
    load = Workload(int(RATE * seconds))
    name = cluster.unique("in")
    topic = cluster.create(f"ot.{name}.v1")
    schema_id = Registry(cluster.registry).register(topic, "SensorEvent")
    task = make_task(cluster, topic)
    running = system.start(task)
    try:
        _feed(cluster, load, topic, schema_id)
        time.sleep(_DRAIN_SECONDS)
        running.check()
    finally:
        running.stop()
    delays = _delays(cluster, system, load, topic, task.writes)
    cluster.delete(name)
    cluster.delete(task.name)
    return Latency(
        len(delays),
        float(np.percentile(delays, 50)),
        float(np.percentile(delays, 99)),
        float(delays.max()),
    )


def _feed(cluster: Cluster, load: Workload, topic: str, schema_id: int) -> None:
    encoder = Encoder(load, schema_id)
    producer = Producer(producer_options(cluster.kafka, linger_ms=1))
    begun, sent = time.monotonic(), 0
    for number, values in load.values():
        for key, message in encoder.round(number, values):
            producer.produce(topic, message, key)
            sent += 1
            if sent % _CHUNK == 0:
                producer.poll(0)
                due = begun + sent * load.per_report / RATE
                time.sleep(max(0.0, due - time.monotonic()))
    producer.flush(30)


def _delays(
    cluster: Cluster, system: System, load: Workload, source: str, target: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of every result but the first ones, milliseconds."""
    appended: dict[str, list[int]] = {}
    for row in cluster.read(source):
        appended.setdefault(row.key.decode(), []).append(row.timestamp)
    last = int(load.patterns[0][1].max())
    phases = dict(zip(load.asset_names, load.phases.tolist(), strict=True))
    first = min(min(times) for times in appended.values())
    end = max(max(times) for times in appended.values())
    delays = []
    for row in cluster.read(target):
        for result in system.read(row):
            due = result.start + WINDOW + OUT_OF_ORDER - BEGIN - phases[result.asset] - last
            closing = appended[result.asset][max(0, -(-due // load.span))]
            if closing >= first + SETTLE * (end - first):
                delays.append(row.timestamp - closing)
    return np.array(delays, np.float64)
