"""A system's results: held against the truth, and turned into samples per second."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.cluster import Row
from bench.workload import BEGIN, WINDOW, Moments, Truth

TOLERANCE: Final = 1e-9
"""Relative; systems add in different orders."""


class WrongAnswerError(Exception):
    """A system's results are not the truth: its speed does not count."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of one asset and window; every column has an entry per tag."""

    asset: str
    start: int
    tags: tuple[str, ...]
    count: NDArray[np.int64]
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]


Read = Callable[[Row], Iterable[Result]]
"""What a record of a system's output says."""


@dataclass(frozen=True)
class Progress:
    """How many samples had their results in Kafka at which time (seconds), ascending."""

    time: NDArray[np.float64]
    samples: NDArray[np.int64]

    def rate(self, warm_up: float) -> float:
        """Samples per second after this share of them."""
        first = int(np.searchsorted(self.samples, warm_up * self.samples[-1]))
        seconds = self.time[-1] - self.time[first]
        return float((self.samples[-1] - self.samples[first]) / max(seconds, 1e-3))


def check(rows: Iterable[Row], read: Read, truth: Truth, *, whole: bool = True) -> Progress:
    """Hold all results against the truth; the last of a window counts.

    Args:
        rows: Of the system's output.
        read: Understands them.
        truth: Of the input.
        whole: Whether every closed window must be there; else only those that are, are judged.

    Raises:
        WrongAnswerError: A result is missing or wrong.
    """
    load = truth.workload
    found = Moments.empty(load.assets, load.tags, load.windows)
    first = np.full((load.assets, load.windows), np.inf)
    assets = {name: i for i, name in enumerate(load.asset_names)}
    tags = {name: k for k, name in enumerate(load.tag_names)}
    for row, result in _results(rows, read):
        asset, window = assets[result.asset], (result.start - BEGIN) // WINDOW
        own = [tags[tag] for tag in result.tags]
        for name in ("count", "sum", "squares", "minimum", "maximum"):
            getattr(found, name)[asset, own, window] = getattr(result, name)
        first[asset, window] = min(first[asset, window], row.timestamp)
    seen = np.isfinite(first)
    _compare(found, truth, truth.closed if whole else seen)
    if not seen.any():
        msg = "there is no result"
        raise WrongAnswerError(msg)
    weight = truth.moments.count.sum(axis=1)[seen]
    order = np.argsort(first[seen], kind="stable")
    return Progress(first[seen][order] / 1000, np.cumsum(weight[order]))


def _results(rows: Iterable[Row], read: Read) -> Iterator[tuple[Row, Result]]:
    for row in rows:
        for result in read(row):
            yield row, result


def _compare(found: Moments, truth: Truth, where: NDArray[np.bool_]) -> None:
    asset, window = np.nonzero(where)
    expected = truth.moments
    for name in ("count", "sum", "squares", "minimum", "maximum"):
        got = getattr(found, name)[asset, :, window]
        want = getattr(expected, name)[asset, :, window]
        wrong = ~np.isclose(got, want, rtol=0 if name == "count" else TOLERANCE, atol=0)
        if wrong.any():
            i, tag = (int(at[0]) for at in np.nonzero(wrong))
            msg = (
                f"{name} of {truth.workload.asset_names[asset[i]]} tag {tag} in window {window[i]} "
                f"is {got[i, tag]}, not {want[i, tag]}; {int(wrong.sum())} of {wrong.size} differ"
            )
            raise WrongAnswerError(msg)
