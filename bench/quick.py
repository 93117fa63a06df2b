"""The figures that matter most, in less than a minute."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

from bench.cluster import Cluster
from bench.kafka_streams import KafkaStreams
from bench.messages import publish
from bench.penstock_system import Penstock
from bench.rounds import Input, Run, compare
from bench.workload import Workload
from penstock.kafka.registry import Registry

SAMPLES: Final = 8_000_000
WARM_UP: Final = 10_000_000
"""While these are worked through, the second worker joins the group, and the JVM compiles."""
ROUNDS: Final = 1


def fill(cluster: Cluster, workload: Workload, warm_up: int = 0) -> Input:
    """A topic with a workload, of which so many samples are for warming up."""
    topic = cluster.create(f"ot.{cluster.unique('in')}.v1")
    schema_id = Registry(cluster.registry).register(topic, "SensorEvent")
    truth = publish(cluster, workload, topic, schema_id)
    return Input(topic, truth, warm_up / workload.total)


def ratios(ours: Sequence[Run], theirs: Sequence[Run]) -> list[float]:
    """Ours to theirs, of each round."""
    return [one.rate / other.rate for one, other in zip(ours, theirs, strict=True)]


def quick(cluster: Cluster, tell: Callable[[str], None]) -> dict[str, Any]:
    """Penstock and Kafka Streams, with an entry of its store per tag, and per asset."""
    ours = Penstock(workers=2)
    per_tag, per_asset = KafkaStreams(entries="tag"), KafkaStreams(entries="asset")
    source = fill(cluster, Workload(SAMPLES + WARM_UP), WARM_UP)
    try:
        runs = compare(cluster, [per_tag, ours, per_asset], source, ROUNDS, tell=tell)
    finally:
        cluster.delete(source.topic)
    return {
        "samples": SAMPLES,
        "penstock_samples_per_s": _rate(runs[ours.name]),
        "kafka_streams_samples_per_s": _rate(runs[per_tag.name]),
        "ratio": round(median(ratios(runs[ours.name], runs[per_tag.name])), 2),
        "kafka_streams_entry_per_asset_samples_per_s": _rate(runs[per_asset.name]),
        "ratio_entry_per_asset": round(median(ratios(runs[ours.name], runs[per_asset.name])), 2),
    }


def _rate(runs: Sequence[Run]) -> int:
    return round(median(run.rate for run in runs))
