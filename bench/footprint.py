"""Bytes per sample: as Avro, on the wire, in the lake."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from bench.cluster import PARTITIONS, Cluster
from bench.penstock_worker import Arguments
from bench.rounds import Input
from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.kafka.client import options
from penstock.kafka.topics import SENSORS
from penstock.sink import SinkRecord
from sinks.parquet import ParquetSettings, ParquetSink

_BATCH = 2000


@dataclass(frozen=True)
class Footprint:
    """Bytes per sample."""

    avro: float
    wire: float
    """As a consumer receives it: compressed, with Kafka's framing."""
    lake: float


def measure(cluster: Cluster, source: Input) -> Footprint:
    """Read the input once, and once more into a lake."""
    total = source.truth.workload.total
    folder = cluster.folder / "lake"
    avro = _into_lake(cluster, source, folder)
    lake = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return Footprint(avro / total, _received(cluster, source) / total, lake / total)


def _into_lake(cluster: Cluster, source: Input, folder: Path) -> int:
    arguments = Arguments(
        "lake", "", "", cluster.kafka.bootstrap, cluster.registry.url, PARTITIONS, ""
    )
    settings = ParquetSettings(type="parquet", path=str(folder))
    sink = ParquetSink("lake", settings, arguments.plant())
    for partition in range(PARTITIONS):
        sink.open(SENSORS.name, partition)
    size, waiting = 0, []
    for row in cluster.read(source.topic):
        size += len(row.value)
        event = decode(unframe(row.value)[1])
        place = (SENSORS.name, row.partition, row.offset, row.timestamp * 1000)
        waiting.append(SinkRecord(*place, row.key.decode(), event))
        if len(waiting) == _BATCH:
            sink.write(waiting)
            sink.flush()
            waiting = []
    if waiting:
        sink.write(waiting)
    sink.flush(force=True)
    return size


def _received(cluster: Cluster, source: Input) -> int:
    """Bytes that a consumer receives for the whole topic."""
    received = 0

    def note(text: str) -> None:
        nonlocal received
        statistics: dict[str, Any] = json.loads(text)
        received = int(statistics["rx_bytes"])

    consumer = Consumer(
        options(
            cluster.kafka,
            group_id="bench-footprint",
            enable_auto_commit=False,
            statistics_interval_ms=100,
        )
        | {"stats_cb": note}
    )
    left = sum(cluster.ends(source.topic).values())
    consumer.assign([TopicPartition(source.topic, number, 0) for number in range(PARTITIONS)])
    while left > 0:
        left -= len(consumer.consume(5000, 0.1))
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        consumer.consume(1, 0.1)
    consumer.close()
    return received
