"""Every figure: peers on three inputs, latency, restore, snapshots, bytes, tags, workers."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import psutil

from bench import footprint, latency, restoring
from bench.cluster import Cluster
from bench.kafka_streams import KafkaStreams
from bench.penstock_system import NO_SNAPSHOTS, Penstock
from bench.python_peers import Faust, Quix
from bench.quick import fill
from bench.rounds import Run, compare
from bench.system import System
from bench.workload import SECOND, Workload
from penstock.local import pin

WARM_UP: Final = 2 / 3
"""Samples for warming up, of those measured."""
LIMIT: Final = 60.0
"""Seconds for the slow ones; what they have done by then counts."""
SINGLE: Final = 15
"""There are so many times fewer samples where each is a message of its own."""
TAGS: Final = (1_000, 10_000, 100_000, 1_000_000)
STATE_TAGS: Final = 200_000
LATENCY_SECONDS: Final = 30.0

Tell = Callable[[str], None]
Part = Callable[[Cluster, int, int, Tell], dict[str, Any]]


def full(
    cluster: Cluster, samples: int, rounds: int, only: Sequence[str], tell: Tell
) -> dict[str, Any]:
    """All parts, or only some."""
    figures: dict[str, Any] = {"machine": machine()}
    for name, part in PARTS.items():
        if not only or name in only:
            tell(f"-- {name}")
            figures[name] = part(cluster, samples, rounds, tell)
    return figures


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "kafka": pin.KAFKA,
        **{kind.__name__: kind.version for kind in (Penstock, KafkaStreams, Quix, Faust)},
    }


def columnar(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """Events of 100 samples, the same number of each tag."""
    return _peers(cluster, samples, False, rounds, tell)


def varying(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """Events of 100 samples, of each tag as many as it happens."""
    return _peers(cluster, samples, True, rounds, tell)


def single(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """One sample per message."""
    total = samples + round(WARM_UP * samples)
    load = Workload(total // SINGLE, per_tag=1, every=5 * SECOND, single=True)
    systems = [Penstock(2), KafkaStreams(), KafkaStreams(entries="asset"), Quix(), Faust()]
    source = fill(cluster, load, load.total * 2 // 5)
    runs = compare(cluster, systems, source, rounds, limit=LIMIT, tell=tell)
    cluster.delete(source.topic)
    return summary(runs, systems)


def snapshots(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """With snapshots every second, and with none; one worker and two."""
    systems = [Penstock(2), Penstock(2, snapshots=NO_SNAPSHOTS), Penstock(1)]
    warm_up = round(WARM_UP * samples)
    source = fill(cluster, Workload(samples + warm_up), warm_up)
    runs = compare(cluster, systems, source, rounds, tell=tell)
    cluster.delete(source.topic)
    return summary(runs, systems)


def tags(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """As many samples of ever more tags."""
    found = {}
    for number in TAGS:
        load = Workload(samples // 2, assets=number // 100, tags=100, per_tag=1, every=20 * SECOND)
        source = fill(cluster, load, samples // 8)
        runs = compare(cluster, [Penstock(2)], source, 1, tell=tell)
        cluster.delete(source.topic)
        found[str(number)] = summary(runs, [])
    return found


def delays(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """Milliseconds to a result."""
    systems = [Penstock(1), Penstock(2), KafkaStreams(entries="asset")]
    found = {one.name: latency.measure(cluster, one, LATENCY_SECONDS) for one in systems}
    return {name: asdict(one) for name, one in found.items()}


def restore(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """Of many tags."""
    load = Workload(
        6 * STATE_TAGS, assets=STATE_TAGS // 100, tags=100, per_tag=1, every=20 * SECOND
    )
    source = fill(cluster, load)
    found = restoring.measure(cluster, source)
    cluster.delete(source.topic)
    return {**asdict(found), "mb_per_s": found.rate}


def bytes_per_sample(cluster: Cluster, samples: int, rounds: int, tell: Tell) -> dict[str, Any]:
    """On the wire and in the lake."""
    source = fill(cluster, Workload(samples // 8))
    found = footprint.measure(cluster, source)
    cluster.delete(source.topic)
    return asdict(found)


PARTS: Final[Mapping[str, Part]] = {
    "columnar": columnar,
    "varying": varying,
    "single": single,
    "snapshots": snapshots,
    "tags": tags,
    "latency": delays,
    "restore": restore,
    "bytes": bytes_per_sample,
}


def _peers(cluster: Cluster, samples: int, uneven: bool, rounds: int, tell: Tell) -> dict[str, Any]:
    systems: list[System] = [
        Penstock(2),
        KafkaStreams(),
        KafkaStreams("rocksdb"),
        KafkaStreams(entries="asset"),
        KafkaStreams("rocksdb", entries="asset"),
    ]
    warm_up = round(WARM_UP * samples)
    source = fill(cluster, Workload(samples + warm_up, varying=uneven), warm_up)
    runs = compare(cluster, systems, source, rounds, tell=tell)
    cluster.delete(source.topic)
    return summary(runs, systems)


def summary(runs: Mapping[str, Sequence[Run]], systems: Sequence[System]) -> dict[str, Any]:
    """Of each system; the ratio is of the first system to it, paired by round."""
    found: dict[str, Any] = {}
    ours = runs.get(systems[0].name, ()) if systems else ()
    for name, own in runs.items():
        rates = [run.rate for run in own]
        found[name] = {
            "samples_per_s": median(rates),
            "least": min(rates),
            "most": max(rates),
            "cpu_seconds": median(run.cpu for run in own),
            "memory_mb": median(run.memory for run in own) / 1e6,
        }
        if ours and len(ours) == len(own):
            pairs = zip(ours, own, strict=True)
            found[name]["ratio"] = median(one.rate / other.rate for one, other in pairs)
    for one in systems:
        found.setdefault(one.name, {"refused": True})
    return found
