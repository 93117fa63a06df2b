"""How large a plant's Kafka and workers must be: arithmetic on measured figures.

All figures are of one small machine (two cores, Linux x86-64, Python 3.11, 2026-11), on which the
broker ran beside what was measured. They are a place to start from; measure your own.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import ceil
from typing import Final

from aiokafka.partitioner import murmur2

from penstock.errors import ConfigurationError
from penstock.kafka.topics import FEATURES, SENSORS

FEWEST_PARTITIONS: Final = 6
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, and what is to be kept free."""

    connector_seconds: float = 24e-6
    """Processor time of the OPC UA connector per sample, without Kafka (`bench.opcua`)."""
    worker_rates: tuple[tuple[float, float], ...] = ((50_000, 600_000.0), (500_000, 270_000.0))
    """Up to so many tags of a worker of window-statistics, its samples per second: messages of
    100 samples of different tags, one window size (`bench.streams`, part `tags`, two workers)."""
    wire_bytes: float = 5.8
    """Bytes per sample in Kafka, compressed: 100 tags with a sample each in a message
    (`bench.footprint`; of 10 tags with 10 samples each it is 6.1)."""
    feature_bytes: float = 80.0
    """Bytes per tag and window in Kafka, not compressed: eight doubles, three counts, the name."""
    lake_bytes: float = 6.9
    """Bytes per sample in the lake (`bench.footprint`)."""
    state_bytes: float = 1_550.0
    """Memory of a worker per tag and window size (`bench.streams`, part `tags`: from 10,000 on)."""
    worker_bytes: float = 270e6
    """Memory of a worker with few tags (`bench.streams`, part `tags`)."""
    headroom: float = 0.5
    """Share of a worker's rate that is planned for: the rest is for catching up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a plant sends.

    Args:
        tags: Of all sources.
        every: Between two samples of a tag.
        tags_per_asset: Whose samples go into one message where they come together.
        windows: The sizes of the windows.
        replication: Of every topic.
        kept: How long sensor events are kept.
        features_kept: How long windows' statistics are kept.
    """

    tags: int
    every: timedelta = timedelta(seconds=1)
    tags_per_asset: int = 100
    windows: tuple[timedelta, ...] = (timedelta(seconds=10), timedelta(minutes=1))
    replication: int = 3
    kept: timedelta = timedelta(milliseconds=SENSORS.retention_ms or 0)
    features_kept: timedelta = timedelta(milliseconds=FEATURES.retention_ms or 0)

    @property
    def samples(self) -> float:
        """Per second."""
        return self.tags / self.every.total_seconds()

    @property
    def assets(self) -> int:
        """That have tags."""
        return ceil(self.tags / self.tags_per_asset)

    @property
    def messages(self) -> float:
        """Per second, where an asset's tags are sampled together."""
        return self.assets / self.every.total_seconds()

    @property
    def results(self) -> float:
        """Windows of a tag that close per second."""
        return sum(self.tags / size.total_seconds() for size in self.windows)


@dataclass(frozen=True, slots=True)
class Size:
    """What a load needs."""

    samples: float
    """Per second."""
    messages: float
    """Per second."""
    connector_cores: float
    workers: int
    """Of window-statistics."""
    partitions: int
    worker_memory: float
    """Bytes, of each."""
    broker_in: float
    """Bytes per second that producers send."""
    broker_written: float
    """Bytes per second that all brokers together write: with the replicas."""
    broker_disk: float
    """Bytes on all brokers together."""
    lake_per_day: float
    """Bytes of samples per day."""
    busiest: float
    """What the busiest worker gets, as a multiple of an even share."""


def size(load: Load, figures: Figures | None = None) -> Size:
    """What a load needs.

    The workers' number comes from their rate and the share of the busiest one: keys lie where
    their hash says, so few assets on many partitions are spread badly.

    Raises:
        ConfigurationError: No number of workers will do: an asset's samples stay together.
    """
    chosen = figures or Figures()
    workers = 1
    while (busiest := _share(load, workers)) * _busy(load, workers, chosen) > 1 - chosen.headroom:
        workers += 1
        if workers > load.assets:
            msg = f"{load.assets} assets are too few to share {load.samples:.0f} samples/s out"
            raise ConfigurationError(msg, remedy="part assets, or sample less often")
    partitions = _partitions(workers)
    sent = load.samples * chosen.wire_bytes
    found = load.results * chosen.feature_bytes
    state = load.tags * len(load.windows) * chosen.state_bytes / workers * busiest
    return Size(
        samples=load.samples,
        messages=load.messages,
        connector_cores=load.samples * chosen.connector_seconds,
        workers=workers,
        partitions=partitions,
        worker_memory=chosen.worker_bytes + state,
        broker_in=sent + found,
        broker_written=(sent + found) * load.replication,
        broker_disk=load.replication
        * (sent * load.kept.total_seconds() + found * load.features_kept.total_seconds()),
        lake_per_day=load.samples * chosen.lake_bytes * DAY,
        busiest=busiest,
    )


def _busy(load: Load, workers: int, figures: Figures) -> float:
    """The share of its time that a worker with an even share works.

    Each window size is taken to cost as much as the one that was measured: an upper bound.
    """
    tags = load.tags / workers
    rates = [rate for most, rate in figures.worker_rates if tags <= most]
    rate = rates[0] if rates else figures.worker_rates[-1][1]
    return load.samples * len(load.windows) / workers / rate


def _share(load: Load, workers: int) -> float:
    return busiest_share(load.assets, _partitions(workers), workers)


def _partitions(workers: int) -> int:
    """Twice as many as workers or more, so that there is room to grow."""
    partitions = FEWEST_PARTITIONS
    while partitions < 2 * workers:
        partitions *= 2
    return partitions


@cache
def busiest_share(assets: int, partitions: int, workers: int) -> float:
    """Deals assets to partitions as Kafka does, and partitions to workers in turn.

    Returns:
        The busiest worker's assets, as a multiple of an even share.
    """
    loads = Counter[int]()
    for number in range(assets):
        key = f"acme/bremen/hall/line{number % 8}/asset{number}".encode()
        loads[((murmur2(key) & 0x7FFFFFFF) % partitions) % workers] += 1
    return max(loads.values()) * workers / assets


def catch_up(
    load: Load, workers: int, away: timedelta, figures: Figures | None = None
) -> timedelta:
    """How long workers need, after they were away, until nothing is behind any more.

    Raises:
        ConfigurationError: They are slower than the load, and never catch up.
    """
    busy = _share(load, workers) * _busy(load, workers, figures or Figures())
    if busy >= 1:
        msg = f"{workers} workers do {1 / busy:.0%} of the load, and fall behind for ever"
        raise ConfigurationError(msg, remedy="more workers, or fewer samples")
    return away * (busy / (1 - busy))
