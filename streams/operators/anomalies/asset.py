"""One asset: its samples brought to the grid, and each row of it judged."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.anomaly.monitor import Monitor, Verdict
from penstock.anomaly.state import Keeper, pack, unpack
from penstock.detector import Floats
from schemas import AnomalyScore
from streams.operators.anomalies.aligned import SAMPLE, Aligned
from streams.operators.anomalies.parameters import AnomalyParameters, Rule, WatchedAsset

_TOP: Final = 10
"""Tags whose contributions are published."""


class Asset:
    """Scores of one asset.

    Args:
        name: Its path.
        known: What is known of it beforehand.
        parameters: Of all assets.

    Attributes:
        waiting: Samples (`SAMPLE`) whose row of the grid is not complete yet, in order of arrival.
    """

    def __init__(self, name: str, known: WatchedAsset, parameters: AnomalyParameters) -> None:
        self.name, self._known, self._parameters = name, known, parameters
        self.aligned = Aligned(parameters.grid, parameters.max_age)
        detector = parameters.make(parameters.options, parameters.monitor.memory)
        self.monitor = Monitor(parameters.monitor, detector, self.aligned.tags)
        self._keeper = Keeper(self.monitor)
        self.waiting: NDArray[Any] = np.zeros(0, SAMPLE)
        self._next: int | None = None
        """Time of the next row; None: at the next sample."""
        self._stood: int | None = None
        """Time of the last row in which it did not run."""
        self._holding: int | None = None
        """Time of the row from which on its rule has held."""
        self._release: int | None = None
        self.changed = True

    def wants(self, tag: str) -> bool:
        """Whether a tag is a signal of it, or says whether it runs."""
        rule = self._known.rule
        used = rule is not None and tag in rule.tags
        return self._known.enabled and (used or tag not in self._known.others)

    def release(self, time: int) -> None:
        """Learn anew what is normal, from a time on."""
        self._release = time if self._release is None else min(time, self._release)

    def forget(self) -> None:
        """Learn anew what is normal, from the next row on."""
        self.monitor.release()
        self.changed = True

    def take(self, samples: NDArray[Any], watermark: int) -> list[AnomalyScore]:
        """Take samples, none of which is late; gives the rows that are complete by now."""
        self.changed = True
        waiting = np.concatenate([self.waiting, samples]) if len(samples) else self.waiting
        tick = -(-waiting["time"] // self._parameters.grid) * self._parameters.grid
        complete = tick <= watermark
        self.waiting = waiting[~complete]
        ready = self.aligned.ordered(waiting[complete])
        ticks = -(-ready["time"] // self._parameters.grid) * self._parameters.grid
        scores: list[AnomalyScore] = []
        bounds = [*np.flatnonzero(np.diff(ticks, prepend=ticks[:1] - 1)).tolist(), len(ticks)]
        for low, high in pairwise(bounds):
            at = int(ticks[low])
            scores += self._rows(at - 1, watermark)
            self._next = at if self._next is None else self._next
            self.aligned.apply(ready[low:high])
        return scores + list(self._rows(watermark, watermark))

    def _rows(self, last: int, watermark: int) -> Iterator[AnomalyScore]:
        """The rows up to a time, as long as any source lives."""
        while self._next is not None and self._next <= last:
            time = self._next
            if not self.aligned.alive(time):
                self.monitor.gap()
                self._next = self._holding = None
                return
            self._next = time + self._parameters.grid
            yield self._score(time, self._judge(time), watermark)

    def _judge(self, time: int) -> Verdict:
        if self._release is not None and self._release <= time:
            self.monitor.release()
            self._release = None
        row = self.aligned.row(time)
        if self._known.others:
            row[[tag in self._known.others for tag in self.aligned.tags]] = np.nan
        running = self._known.rule is None or self._runs(self._known.rule, time)
        if not running:
            self._stood = time
        elif self._stood is not None:
            running = time - self._stood >= self._parameters.settle
        return self.monitor.row(time, row, running=running)

    def _runs(self, rule: Rule, time: int) -> bool:
        """Whether it does what it is for, by its last known state; unknown is no."""
        if rule.signal:
            holds = rule.signal.holds(self.aligned.held(rule.signal.tag))
            self._holding = None if not holds else time if self._holding is None else self._holding
            return self._holding is not None and time - self._holding >= rule.signal.duration
        producing = self.aligned.held(rule.state) in rule.producing
        return producing and self.aligned.held(rule.mode) not in rule.setup_modes

    def _score(self, time: int, verdict: Verdict, watermark: int) -> AnomalyScore:
        tags, found = self.aligned.tags, verdict.found
        names: tuple[str, ...] = ()
        shares: tuple[float, ...] = ()
        if found is not None and verdict.columns is not None:
            names, shares = _greatest(verdict.columns, found.contributions, tags)
        return AnomalyScore(
            asset=self.name,
            source="",
            time=time,
            detector=self._parameters.detector,
            parameters=self._parameters.hash,
            watermark=watermark,
            revision=1,
            state=verdict.state.value,
            learning=verdict.learning.value,
            score=verdict.score,
            p_value=verdict.p_value,
            alarm=verdict.alarm_since is not None,
            alarm_since=verdict.alarm_since,
            threshold=self._parameters.monitor.alarm_below,
            statistics=() if found is None else tuple(found.statistics),
            values=() if found is None else tuple(found.statistics.values()),
            tags=names,
            contributions=shares,
            missing=tuple(sorted(tags[place] for place in verdict.missing)),
        )

    def changes(self) -> dict[str, bytes | None]:
        """Its rows of state that changed since the last call; None: no longer there."""
        self.changed = False
        head, arrays = self.aligned.dump()
        waiting = [self.waiting[name].tolist() for name in ("tag", "source", "time")]
        own = [self._next, self._stood, self._holding, self._release, waiting, head]
        row = pack(own, {**arrays, "waiting": self.waiting["value"]})
        return {"a": row, **self._keeper.changes()}

    def load(self, rows: Mapping[str, bytes]) -> None:
        """Become the asset whose `changes`, merged in order, are these rows.

        Raises:
            ValueError: A row is damaged.
            KeyError: One is missing.
        """
        own, arrays = unpack(rows["a"])
        self._next, self._stood, self._holding, self._release, waiting, head = own
        self.aligned.load(head, arrays)
        self.waiting = np.zeros(len(arrays["waiting"]), SAMPLE)
        for name, column in zip(("tag", "source", "time"), waiting, strict=True):
            self.waiting[name] = column
        self.waiting["value"] = arrays["waiting"]
        self._keeper.load(rows)
        self.changed = False


def _greatest(
    columns: Floats, shares: Floats, tags: list[str]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The tags that contribute most, and their shares."""
    order = np.argsort(-shares, kind="stable")[:_TOP]
    order = order[shares[order] > 0]
    return tuple(tags[place] for place in columns[order]), tuple(shares[order].tolist())
