"""Scores the rows of a table one after the other, each before anything later is known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.anomaly.monitor import Monitor, Verdict
from penstock.anomaly.settings import MonitorSettings
from penstock.detector import Detector, DetectorSettings
from penstock.history.table import Table

_HELD: Final = 10
"""A value is held over empty cells for so many of the warm-up's usual steps of time."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector said of each row of a table (N rows).

    Args:
        table: It.
        warm_up: How many rows were learned first.
        verdicts: (N).
    """

    table: Table
    warm_up: int
    verdicts: list[Verdict]

    @property
    def p_values(self) -> NDArray[np.float64]:
        """(N) NaN where there is none."""
        return np.array([verdict.p_value for verdict in self.verdicts])

    @property
    def alarms(self) -> NDArray[np.bool_]:
        """(N) whether an alarm was on."""
        return np.array([verdict.alarm_since is not None for verdict in self.verdicts], np.bool_)

    def remarks(self) -> list[str]:
        """What a person would want to know of the columns that are not watched, a line each."""
        learned = (one.columns.tolist() for one in self.verdicts if one.columns is not None)
        watched: list[int] = next(learned, [])
        names = enumerate(self.table.tags)
        return [self._unwatched(name, place) for place, name in names if place not in watched]

    def _unwatched(self, name: str, place: int) -> str:
        first = self.table.values[: self.warm_up, place]
        known = first[np.isfinite(first)]
        still = len(known) and (known == known[0]).all()
        why = "does not change" if still else "has too few values"
        remark = (
            f"{self.table.path}: column {name!r} {why} in the rows learned first: it is not watched"
        )
        changed = self._first(place in one.missing for one in self.verdicts)
        if changed is None:
            return remark
        later = self._first(
            one.columns is not None and place in one.columns for one in self.verdicts
        )
        return f"{remark}; it changes at {changed}" + (
            f", watched from {later} on" if later else ""
        )

    def _first(self, holds: Iterable[bool]) -> str | None:
        """The time of the first row of which it holds."""
        times = (time for time, one in zip(self.table.times, holds, strict=True) if one)
        found = next(times, None)
        return None if found is None else str(found.astype("datetime64[us]").item())

    def rows(self) -> pa.Table:
        """One row per row of the table."""
        count, tags = len(self.verdicts), self.table.tags
        shares = np.full((count, len(tags)), np.nan)
        for place, verdict in enumerate(self.verdicts):
            if verdict.found is not None and verdict.columns is not None:
                shares[place] = 0.0
                shares[place, verdict.columns] = verdict.found.contributions
        return pa.table(
            {
                "file": pa.array([str(self.table.path)] * count),
                "time": pa.array(self.table.times, pa.timestamp("us", tz="UTC")),
                "score": _figures(np.array([verdict.score for verdict in self.verdicts])),
                "p_value": _figures(self.p_values),
                "alarm": self.alarms,
                "state": pa.array([verdict.state.value for verdict in self.verdicts]),
                "missing": pa.array(
                    [[tags[at] for at in verdict.missing] for verdict in self.verdicts],
                    pa.list_(pa.string()),
                ),
                "learning": pa.array([verdict.learning.value for verdict in self.verdicts]),
                **{f"contribution_{tag}": _figures(shares[:, at]) for at, tag in enumerate(tags)},
            }
        )


def score(
    table: Table, detector: type[Detector], options: DetectorSettings, settings: MonitorSettings
) -> Scores:
    """Score a table, strictly online."""
    watched = Monitor(settings, detector(options, settings.memory), table.tags)
    steps = np.diff(table.times[: settings.warm_up])
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    held = np.full(len(table.tags), np.nan)
    since = np.full(len(table.tags), table.times[0], np.int64)
    verdicts = []
    for time, row in zip(table.times.tolist(), table.values, strict=True):
        there = np.isfinite(row)
        held, since = np.where(there, row, held), np.where(there, time, since)
        fresh = time - since <= _HELD * usual
        verdicts.append(watched.row(time, np.where(fresh, held, np.nan)))
    return Scores(table, settings.warm_up, verdicts)


def _figures(column: NDArray[np.float64]) -> pa.Array:
    return pa.array(column, mask=np.isnan(column))
