"""Holds the lake's samples against the factory's ground truth, one by one."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.factory.truth_reader import Truth
from penstock.quality import BAD_NO_COMMUNICATION, UNCERTAIN_LAST_USABLE_VALUE

FLAGS: Final = [BAD_NO_COMMUNICATION, UNCERTAIN_LAST_USABLE_VALUE]
"""Qualities of the samples that connectors add themselves."""
EXAMPLES: Final = 8

Key = tuple[str, str]
"""Asset and tag."""


@dataclass(slots=True)
class SampleCheck:
    """What comparing samples found."""

    sent: int = 0
    in_lake: int = 0
    lost: int = 0
    duplicates: int = 0
    wrong: int = 0
    """Another value, a quality that is not good, or a sample that nobody sent."""
    flagged: int = 0
    repeated: int = 0
    """Values that a server gave once more when it was subscribed to again."""
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Keep the first few differences."""
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def check_samples(truth: Truth, rows: pa.Table, since: int, until: int) -> SampleCheck:
    """Compare what went out with what is in the lake, series by series."""
    found = SampleCheck()
    flags = pc.is_in(rows["quality"], pa.array(FLAGS, pa.int32()))
    found.flagged = pc.sum(flags).as_py() or 0
    rows = rows.filter(pc.invert(flags)).sort_by(
        [(n, "ascending") for n in ("asset", "tag", "time")]
    )
    found.in_lake = rows.num_rows
    stored = _by_series(rows)
    for key in sorted(truth.series.keys() | stored.keys()):
        _check_series(key, truth, stored.get(key, _NOTHING), found, (since, until))
    return found


@dataclass(frozen=True, slots=True)
class _Stored:
    times: NDArray[np.int64]
    values: NDArray[Any]
    quality: NDArray[np.int32]


_NOTHING: Final = _Stored(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int32))


def _by_series(rows: pa.Table) -> dict[Key, _Stored]:
    assets, tags = rows["asset"].to_numpy(), rows["tag"].to_numpy()
    times = rows["time"].to_numpy()
    texts = rows["text"].to_numpy()
    values, quality = rows["value"].to_numpy(), rows["quality"].to_numpy()
    changes = np.flatnonzero((assets[1:] != assets[:-1]) | (tags[1:] != tags[:-1])) + 1
    bounds = [0, *changes.tolist(), len(assets)] if len(assets) else []
    found = {}
    for begin, end in pairwise(bounds):
        part = slice(begin, end)
        textual = texts[begin] is not None
        column = texts[part].astype(str) if textual else values[part]
        found[assets[begin], tags[begin]] = _Stored(times[part], column, quality[part])
    return found


def _check_series(
    key: Key, truth: Truth, stored: _Stored, found: SampleCheck, span: tuple[int, int]
) -> None:
    name = "/".join(key)
    times, first = np.unique(stored.times, return_index=True)
    doubled = len(stored.times) - len(times)
    if doubled:
        found.duplicates += doubled
        found.note(f"{name}: {doubled} samples are in the lake twice")
    sent_times: NDArray[np.int64] = np.empty(0, np.int64)
    sent_values: NDArray[Any] = np.empty(0)
    if key in truth.series:
        series = truth.series[key]
        inside = (series.times >= span[0]) & (series.times < span[1])
        sent_times, sent_values = series.times[inside], series.values[inside]
    found.sent += len(sent_times)
    missing = [t for t in np.setdiff1d(sent_times, times).tolist()
               if (key[0], t) not in truth.uncertain]  # fmt: skip
    if missing:
        found.lost += len(missing)
        found.note(f"{name}: {len(missing)} samples lost, the first at {_shown(missing[0])}")
    strange, repeated = _unsent(times, stored.values[first], sent_times, sent_values)
    found.repeated += repeated
    if len(strange):
        found.wrong += len(strange)
        found.note(f"{name}: {len(strange)} samples nobody sent, the first at {_shown(strange[0])}")
    _, in_truth, in_lake = np.intersect1d(
        sent_times, times, assume_unique=True, return_indices=True
    )
    differ = sent_values[in_truth] != stored.values[first][in_lake]
    differ |= stored.quality[first][in_lake] != 0
    if differ.any():
        found.wrong += int(differ.sum())
        at = np.flatnonzero(differ)[0]
        found.note(
            f"{name} at {_shown(times[in_lake[at]])}: sent {sent_values[in_truth[at]]}, "
            f"in the lake {stored.values[first][in_lake[at]]}"
        )


def _unsent(
    times: NDArray[np.int64],
    values: NDArray[Any],
    sent_times: NDArray[np.int64],
    sent_values: NDArray[Any],
) -> tuple[NDArray[np.int64], int]:
    """Stored times that nobody sent; how many others repeat the value sent last before them."""
    unsent = np.flatnonzero(~np.isin(times, sent_times))
    last = np.searchsorted(sent_times, times[unsent]) - 1
    repeats = last >= 0
    repeats[repeats] = sent_values[last[repeats]] == values[unsent[repeats]]
    return times[unsent[~repeats]], int(repeats.sum())


def _shown(time: int) -> str:
    return str(np.datetime64(int(time), "us"))
