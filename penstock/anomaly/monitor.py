"""Watches one asset: learns what is normal of it, scores each row, raises alarms.

**Warm-up.** The first `warm_up` rows are learned without a score. Tags that had a value in nine of
ten of them, and changed, are scored from then on.

**Score before learn.** A row is scored by what was learned from rows before it. It is learned
afterwards, in blocks of 50, if it is whole, no alarm is on and its p-value is at least
`learn_from`. A fault is therefore not learned; and what is learned in small steps may move no tag's
normal by more than `absorb` in all. Then learning stops (`full`) until an operator releases the
asset: `release` forgets what was normal, and a new warm-up begins.

**Tags that cannot be used.** One without a value, or that has shown the very same value four times
as long as ever in the warm-up, adds nothing to the score; the row is `incomplete`. Where more than
half are so, there is no score. A tag that appears later, or that begins to change, is named among
the missing until `warm_up` normal rows of it are known; then all is learned anew from those.

**Tags of which only a rise counts** (`only_high`). Below what is normal by now they are scored as
normal, and learned only if they are.

**Frozen.** While the machine does not run, nothing is scored and nothing learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

import numpy as np

from penstock.anomaly.alarm import Alarm
from penstock.anomaly.calibration import Calibration
from penstock.anomaly.features import Features
from penstock.anomaly.lessons import CHUNK, Lessons
from penstock.anomaly.runs import Runs
from penstock.anomaly.settings import MonitorSettings
from penstock.detector import Detector, Floats, Found

_PRESENT: Final = 0.9
"""Share of the warm-up's rows in which a tag must have had a value."""
_NONE: Final = float("nan")


class State(StrEnum):
    """What a row's score is worth."""

    WARMING_UP = "warming_up"
    OK = "ok"
    ALARM = "alarm"
    INCOMPLETE = "incomplete"
    FROZEN = "frozen"


class Learning(StrEnum):
    """What became of a row as a lesson in what is normal."""

    LEARNED = "learned"
    GATED = "gated"
    FULL = "full"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the monitor says of one row; `columns` (D) are the places of the tags that count."""

    state: State
    learning: Learning
    found: Found | None = None
    p_value: float = _NONE
    alarm_since: int | None = None
    columns: Floats | None = None
    missing: tuple[int, ...] = ()

    @property
    def score(self) -> float:
        """The detector's score; NaN where there is none."""
        return _NONE if self.found is None else self.found.score


class Monitor:
    """Watches one asset; the module's docstring says how.

    Args:
        settings: Learning and alarms.
        detector: A new one, for this asset alone.
        tags: Names of its tags; the list may grow. What is computed depends on their names, not on
            the order in which they came.
    """

    def __init__(self, settings: MonitorSettings, detector: Detector, tags: Sequence[str]) -> None:
        self.settings, self.detector, self.tags = settings, detector, tags
        self.features = Features(settings.smoothing, settings.drift_span, settings.follow)
        self.calibration = Calibration(settings.smoothing, settings.memory)
        self.alarm = Alarm(settings.alarm_rows, settings.of_rows)
        self.runs = Runs()
        self.warm_up, self.block = Lessons(), Lessons()
        self.columns = np.zeros(0, np.int64)
        self.constant = np.zeros(0, np.bool_)
        self.reference = np.zeros((3, 0))
        """Of each feature: mean and standard deviation of the warm-up, and the mean by now."""
        self._only_high: list[bool] = []
        """Of each tag that was looked at so far."""
        self.full = False
        self.learned = 0
        """How often the detector has learned; so that it is saved only when it has."""

    @property
    def trained(self) -> bool:
        """Whether it knows what is normal."""
        return bool(len(self.columns))

    def release(self) -> None:
        """Forget what was normal: a new warm-up begins with the next row."""
        self._forget()
        self.columns, self.constant = self.columns[:0], self.constant[:0]
        self.features.drifts, self.reference = np.zeros(0, np.bool_), np.zeros((3, 0))

    def gap(self) -> None:
        """For a while there were no rows: smoothing begins anew."""
        self.features.pause()
        self.runs.pause()

    def row(self, time: int, values: Floats, *, running: bool = True) -> Verdict:
        """Score the next row, then learn it if it may be.

        Args:
            time: Microseconds.
            values: Of all tags known so far; NaN where there is none. Never fewer than before.
            running: Whether the machine does what it is for.
        """
        if not running:
            self.gap()
            self.alarm.clear()
            return Verdict(State.FROZEN, Learning.OFF)
        usable = self.runs.take(values, judge=self.trained)
        if not self.trained:
            self.warm_up.add(usable)
            if len(self.warm_up) >= self.settings.warm_up:
                self._train()
            return Verdict(State.WARMING_UP, Learning.LEARNED)
        return self._judge(time, usable)

    def _judge(self, time: int, values: Floats) -> Verdict:
        columns = self.columns  # To learn may change them.
        known = values[columns]
        feature = self.features.step(known)
        absent = ~np.isfinite(known)
        unknown = np.isfinite(values)
        unknown[columns] = False
        unknown[: len(self.constant)] &= self.constant & self.runs.moved[: len(self.constant)]
        missing = (*columns[absent].tolist(), *np.flatnonzero(unknown).tolist())
        if 2 * absent.sum() > len(absent):
            on = self.alarm.since
            return Verdict(State.INCOMPLETE, Learning.GATED, alarm_since=on, missing=missing)
        scored = self._deviating(feature)
        found = self.detector.score(scored)
        p_value = self.calibration.p_value(found.score)
        on = self.alarm.take(time, p_value < self.settings.alarm_below)
        whole = not absent.any()
        learning = Learning.GATED
        usual = p_value
        if scored is not feature:  # What does not count as a deviation may be strange, too.
            usual = min(usual, self.calibration.p_value(self.detector.score(feature).score))
        if whole and not on and usual >= self.settings.learn_from:
            learning = self._learn(feature.copy(), found.score, values, again=bool(unknown.any()))
        state = State.INCOMPLETE if missing else State.ALARM if on else State.OK
        return Verdict(state, learning, found, p_value, self.alarm.since, columns, missing)

    def _learn(self, feature: Floats, score: float, values: Floats, *, again: bool) -> Learning:
        if again:
            self.warm_up.add(values)
            if len(self.warm_up) >= self.settings.warm_up:
                self._train()
                return Learning.LEARNED
        if self.full:
            return Learning.FULL
        self.calibration.learn(score)
        self.block.add(feature)
        if len(self.block) >= CHUNK:
            rows = self.block.rows()
            self.block.clear()
            self._absorb(rows)
        return Learning.LEARNED

    def _absorb(self, rows: Floats) -> None:
        """Have the detector learn a block of features, unless that would move too much."""
        first, spread, now = self.reference
        then = now + min(1.0, len(rows) / self.settings.memory) * (rows.mean(axis=0) - now)
        if (abs(then - first) > self.settings.absorb * spread).any():
            self.full = True
            return
        self.reference[2] = then
        self.detector.learn(rows)
        self.learned += 1

    def _train(self) -> None:
        """Learn what is normal from the warm-up; where no tag is of use, wait for later rows."""
        rows = self.warm_up.rows()
        filled = _filled(rows)
        present = np.isfinite(rows).mean(axis=0) >= _PRESENT
        changes = filled.max(axis=0) > filled.min(axis=0)
        columns = self._by_name(np.flatnonzero(present & changes))
        former = self._limits()
        features = self.features.fit(filled[:, columns])
        flat = features.std(axis=0) <= 0
        if flat.any():
            columns = columns[~flat]
            features = self.features.fit(filled[:, columns])
        if not len(columns):
            self.warm_up.clear(1)
            return
        self._forget()
        self.columns, self.constant = columns, present & ~changes
        self.detector.fit(features)
        self.reference = np.array([features.mean(0), features.std(0), features.mean(0)])
        scores = [self.detector.score(self._deviating(row)).score for row in features]
        self.calibration.fit(np.array(scores))
        for place, limit in enumerate(self._limits()):
            self.reference[:2, place] = former.get(limit, self.reference[:2, place])
        self.runs.fit(filled)
        self.learned += 1

    def _deviating(self, feature: Floats) -> Floats:
        """A feature without the deviations that do not count; itself where there are none."""
        if not self.settings.only_high:
            return feature
        for tag in self.tags[len(self._only_high) :]:
            self._only_high.append(any(fnmatchcase(tag, one) for one in self.settings.only_high))
        low = np.array(self._only_high)[self.columns] & (feature < self.reference[2])
        return np.where(low, self.reference[2], feature) if low.any() else feature

    def _by_name(self, columns: Floats) -> Floats:
        order = sorted(columns.tolist(), key=self.tags.__getitem__)
        return np.array(order, np.int64)

    def _limits(self) -> dict[tuple[int, bool], Floats]:
        """Where the normal of each tag, as one that drifts or not, was when it was released."""
        names = zip(self.columns.tolist(), self.features.drifts.tolist(), strict=True)
        return dict(zip(names, self.reference[:2].T.copy(), strict=True))

    def _forget(self) -> None:
        self.warm_up.clear()
        self.block.clear()
        self.alarm.clear()
        self.full = False


def _filled(rows: Floats) -> Floats:
    """Rows with each gap filled by the value before it, or else by the first one; 0 without any."""
    there = np.isfinite(rows)
    last = np.maximum.accumulate(np.where(there, np.arange(len(rows))[:, None], 0), axis=0)
    first = there.argmax(axis=0)
    source = np.where(there.cumsum(axis=0) > 0, last, first)
    filled = np.take_along_axis(rows, source, axis=0)
    return np.where(np.isfinite(filled), filled, 0.0)
