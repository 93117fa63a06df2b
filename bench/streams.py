"""Stream processing beside peers: `python -m bench.streams [--quick] [--json]`.

All systems read the same topic of the same broker, in turn, `--rounds` times; the figures are
medians, the ratio is the median of each round's own ratio. A system whose sums are not the truth is
refused.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, NoReturn

from bench.cluster import Cluster, cluster
from bench.kafka_streams import KafkaStreams
from bench.messages import publish
from bench.penstock_system import Penstock
from bench.rounds import Input, Run, compare
from bench.workload import Workload
from penstock.kafka.registry import Registry

QUICK_SAMPLES = 3_000_000
QUICK_WARM_UP = 3_000_000
QUICK_ROUNDS = 2


def fill(cluster: Cluster, workload: Workload, warm_up: int) -> Input:
    """A topic with a workload, of which so many samples are for warming up."""
    topic = cluster.create(f"ot.{cluster.unique('in')}.v1")
    schema_id = Registry(cluster.registry).register(topic, "SensorEvent")
    truth = publish(cluster, workload, topic, schema_id)
    return Input(topic, truth, warm_up / workload.total)


def ratios(ours: Sequence[Run], theirs: Sequence[Run]) -> list[float]:
    """Ours to theirs, of each round."""
    return [one.rate / other.rate for one, other in zip(ours, theirs, strict=True)]


def quick(cluster: Cluster) -> dict[str, Any]:
    """The figures that matter most, in less than a minute."""
    ours, theirs = Penstock(workers=2), KafkaStreams()
    source = fill(cluster, Workload(QUICK_SAMPLES + QUICK_WARM_UP), QUICK_WARM_UP)
    try:
        runs = compare(cluster, [ours, theirs], source, QUICK_ROUNDS)
    finally:
        cluster.delete(source.topic)
    each = ratios(runs[ours.name], runs[theirs.name])
    return {
        "samples": QUICK_SAMPLES,
        "penstock_samples_per_s": round(median(run.rate for run in runs[ours.name])),
        "kafka_streams_samples_per_s": round(median(run.rate for run in runs[theirs.name])),
        "ratio": round(median(each), 2),
        "ratios": [round(ratio, 2) for ratio in each],
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="bench.streams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Penstock and Kafka Streams only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    with cluster() as found:
        figures = quick(found)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name}: {value}")


def _stop(*_: object) -> NoReturn:
    sys.exit("stopped")


if __name__ == "__main__":
    main()
