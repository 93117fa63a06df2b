"""How good alarms are, by labels of rows or by windows; the warm-up's rows do not count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.backtest.labels import Window

_DAY: Final = 86_400e6


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts of rows and of alarms; they may be added up over files (pooled).

    Args:
        rows: Rows that count.
        days: Their time.
        alarms: Alarms that began.
        labelled: Whether there were labels; without, all that follows is 0.
        true_positives: Rows with label and alarm; no adjustment of points.
        false_positives: Rows with an alarm only.
        false_negatives: Rows with a label only.
        events: Runs of labelled rows, or windows.
        found: Events in which an alarm was on.
        hit: Events in which an alarm began.
        false_alarms: Alarms that began outside all events.
        delays: Seconds from the beginning of each event found to its first row with an alarm.
    """

    rows: int = 0
    days: float = 0.0
    alarms: int = 0
    labelled: bool = False
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    events: int = 0
    found: int = 0
    hit: int = 0
    false_alarms: int = 0
    delays: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The figures that people compare; null where nothing was there to divide by."""
        negatives = self.rows - self.true_positives - self.false_negatives
        true, wrong = self.true_positives, self.false_positives + self.false_negatives
        measured = {
            "rows": self.rows,
            "alarms": self.alarms,
            "alarms_per_day": _ratio(self.alarms, self.days),
        }
        if not self.labelled:
            return measured
        return {
            **measured,
            "f1": _ratio(true, true + wrong / 2),
            "false_alarm_rate": _ratio(self.false_positives, negatives),
            "missed_alarm_rate": _ratio(self.false_negatives, true + self.false_negatives),
            "true_positives": true,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "true_negatives": negatives - self.false_positives,
            "events": self.events,
            "events_found": self.found,
            "events_with_an_alarm_begun": self.hit,
            "false_alarms": self.false_alarms,
            "delay_seconds": float(np.median(self.delays)) if self.delays else None,
        }


def measure(
    times: NDArray[np.int64], alarms: NDArray[np.bool_], labels: NDArray[np.bool_] | None
) -> Measures:
    """Compare alarms with labels, row by row (N), without the rows of the warm-up.

    >>> on = np.array([0, 1, 1, 0, 1, 1, 0]) > 0
    >>> right = np.array([0, 0, 1, 1, 0, 0, 0]) > 0
    >>> found = measure(np.arange(7) * 1_000_000, on, right).as_dict()
    >>> found["f1"], found["false_alarm_rate"], found["missed_alarm_rate"], found["false_alarms"]
    (0.3333333333333333, 0.6, 0.5, 2)
    """
    began = alarms & ~np.append(False, alarms[:-1])[: len(alarms)]
    days = (times[-1] - times[0]) / _DAY if len(times) > 1 else 0.0
    found = Measures(len(times), float(days), int(began.sum()), labels is not None)
    if labels is None:
        return found
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels.astype(np.int8), [0]])))
    delays, hit = [], 0
    for low, high in edges.reshape(-1, 2).tolist():
        on = np.flatnonzero(alarms[low:high])
        hit += bool(began[low:high].any())
        if len(on):
            delays.append(float(times[low + on[0]] - times[low]) / 1e6)
    return Measures(
        rows=found.rows,
        days=found.days,
        alarms=found.alarms,
        labelled=True,
        true_positives=int((alarms & labels).sum()),
        false_positives=int((alarms & ~labels).sum()),
        false_negatives=int((~alarms & labels).sum()),
        events=len(edges) // 2,
        found=len(delays),
        hit=hit,
        false_alarms=int((began & ~labels).sum()),
        delays=tuple(delays),
    )


def in_windows(times: NDArray[np.int64], windows: Sequence[Window]) -> NDArray[np.bool_]:
    """(N) whether each time is in one of the windows."""
    inside = np.zeros(len(times), np.bool_)
    for first, last in windows:
        inside |= (times >= first) & (times <= last)
    return inside


def pooled(parts: Iterable[Measures]) -> Measures:
    """All files as one."""
    known = list(parts)
    names = ("rows", "days", "alarms", "true_positives", "false_positives", "false_negatives",
             "events", "found", "hit", "false_alarms")  # fmt: skip
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in known) for name in names}
    delays = tuple(delay for part in known for delay in part.delays)
    return Measures(labelled=all(part.labelled for part in known), delays=delays, **sums)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
