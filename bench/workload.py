"""The input: what is sampled, and the truth that every system's results are held against."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECOND: Final = 1_000_000
WINDOW: Final = 60 * SECOND
OUT_OF_ORDER: Final = SECOND
REOPEN_FOR: Final = 60 * SECOND
BEGIN: Final = 1_700_000_000 * SECOND // WINDOW * WINDOW
"""Event time of the first sample; a window begins there."""
SOURCE: Final = "plc"
_PATTERNS: Final = 97
"""Different `counts` where they vary."""


@dataclass(frozen=True)
class Workload:
    """Assets that report regularly, one after another, all tags at the same times.

    Args:
        samples: Of all messages together, rounded up to whole rounds of the assets.
        assets: How many report.
        tags: Of each asset.
        per_tag: Samples of each tag in a message, on average.
        every: Microseconds between two samples of a tag.
        varying: Whether `counts` differ from message to message.
        single: Whether each sample is a message of its own.
        seed: Of the values.
    """

    samples: int
    assets: int = 200
    tags: int = 10
    per_tag: int = 10
    every: int = SECOND
    varying: bool = False
    single: bool = False
    seed: int = 7

    @property
    def per_report(self) -> int:
        """Samples that an asset reports at a time: in one message, or one by one."""
        return self.tags * self.per_tag

    @property
    def rounds(self) -> int:
        """How often each asset reports."""
        return -(-self.samples // (self.assets * self.per_report))

    @property
    def total(self) -> int:
        """Samples of the whole input."""
        return self.rounds * self.assets * self.per_report

    @property
    def messages(self) -> int:
        return self.total if self.single else self.rounds * self.assets

    @property
    def span(self) -> int:
        """Event time between two reports of an asset, microseconds."""
        return self.per_tag * self.every

    @property
    def windows(self) -> int:
        """Windows that samples lie in."""
        return -(-(self.rounds + 1) * self.span // WINDOW)

    @cached_property
    def asset_names(self) -> list[str]:
        width = len(str(self.assets - 1))
        return [f"acme/bremen/hall/line{i % 8}/asset{i:0{width}}" for i in range(self.assets)]

    @cached_property
    def tag_names(self) -> tuple[str, ...]:
        return tuple(f"signal_{k:02}" for k in range(self.tags))

    @cached_property
    def phases(self) -> NDArray[np.int64]:
        """How much later than the first each asset reports, microseconds, so that windows of
        different assets close at different times."""
        return np.arange(self.assets) * self.span // self.assets // self.every * self.every

    @cached_property
    def patterns(self) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """(counts, offsets) that messages take in turn."""
        even = np.full(self.tags, self.per_tag)
        if not self.varying:
            return [(even, _offsets(even, self.span))]
        rng = np.random.default_rng(self.seed)
        spare = self.per_report - self.tags
        shares = [1.0 / self.tags] * self.tags
        drawn = 1 + rng.multinomial(spare, shares, size=_PATTERNS)
        return [(counts, _offsets(counts, self.span)) for counts in drawn]

    def pattern(self, number: int, asset: int) -> int:
        """Which pattern a message has: the `number`th of an asset."""
        return (number * 31 + asset * 17) % len(self.patterns)

    def values(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(number, values (assets, samples of a message)) of each round, the same every time."""
        rng = np.random.default_rng(self.seed)
        level = rng.uniform(10, 1000, (self.assets, self.per_report))
        for number in range(self.rounds):
            noise = rng.standard_normal((self.assets, self.per_report), np.float32)
            yield number, np.round(level + noise, 3)

    def start(self, number: int, asset: int) -> int:
        """Event time of a message's first sample."""
        return BEGIN + number * self.span + int(self.phases[asset])


def _offsets(counts: NDArray[np.int64], span: int) -> NDArray[np.float64]:
    """Each tag's samples spread evenly over the message's time."""
    return np.concatenate([np.arange(n) * span // n for n in counts.tolist()]).astype(np.float64)


@dataclass(frozen=True)
class Moments:
    """Of each (asset, tag, window), in arrays of that shape."""

    count: NDArray[np.int64]
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @classmethod
    def empty(cls, assets: int, tags: int, windows: int) -> "Moments":
        shape = (assets, tags, windows)
        return cls(
            np.zeros(shape, np.int64),
            np.zeros(shape),
            np.zeros(shape),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
        )


class Truth:
    """Adds up what the generator makes, window by window."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.moments = Moments.empty(workload.assets, workload.tags, workload.windows)
        tags = np.arange(workload.tags)
        self._tag = [np.repeat(tags, counts) for counts, _ in workload.patterns]
        self._asset = np.repeat(np.arange(workload.assets), workload.per_report)

    def add(self, number: int, values: NDArray[np.float64]) -> None:
        """Take a round of messages in."""
        load, patterns = self.workload, self.workload.patterns
        chosen = [load.pattern(number, asset) for asset in range(load.assets)]
        tag = np.concatenate([self._tag[i] for i in chosen])
        offset = np.concatenate([patterns[i][1] for i in chosen]).astype(np.int64)
        time = number * load.span + np.repeat(load.phases, load.per_report) + offset
        shape = self.moments.count.shape
        key = np.ravel_multi_index((self._asset, tag, time // WINDOW), shape)
        cells, place = np.unique(key, return_inverse=True)
        value = values.ravel()
        moments = self.moments
        moments.count.flat[cells] += np.bincount(place)
        moments.sum.flat[cells] += np.bincount(place, value)
        moments.squares.flat[cells] += np.bincount(place, value * value)
        np.minimum.at(moments.minimum.reshape(-1), key, value)
        np.maximum.at(moments.maximum.reshape(-1), key, value)

    @cached_property
    def closed(self) -> NDArray[np.bool_]:
        """(assets, windows) that a watermark of `OUT_OF_ORDER` passes by the end of the input."""
        load = self.workload
        last = max(int(offsets.max()) for _, offsets in load.patterns)
        if load.varying:
            chosen = [load.pattern(load.rounds - 1, asset) for asset in range(load.assets)]
            latest = np.array([int(load.patterns[i][1].max()) for i in chosen])
        else:
            latest = np.full(load.assets, last)
        watermark = (load.rounds - 1) * load.span + load.phases + latest - OUT_OF_ORDER
        ends = (np.arange(load.windows) + 1) * WINDOW
        held = self.moments.count.sum(axis=1) > 0
        closed: NDArray[np.bool_] = (ends <= watermark[:, None]) & held
        return closed
