"""What windowed statistics must be, by the plainest computation over all samples at once.

Written apart from the operator, to be held against it and against what a whole pipeline published.
It is slow and keeps every sample. Times and durations are microseconds.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Sample = tuple[str, int, float | str, bool]
"""(tag, time, value, good); the value of a text sample is a string."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one tag in one window; each field is a column of `window_statistics.avsc`."""

    count: int
    bad: int
    late: int
    mean: float
    time_weighted_mean: float
    minimum: float
    maximum: float
    standard_deviation: float
    first: float
    last: float
    coverage: float


@dataclass(slots=True)
class _Cell:
    samples: list[tuple[int, float]] = field(default_factory=list)
    held: list[tuple[float, int]] = field(default_factory=list)
    bad: int = 0
    late: int = 0


def window_statistics(
    samples: Iterable[Sample],
    size: int,
    hold: int,
    late: Iterable[Sample] = (),
    every: int | None = None,
) -> dict[int, dict[str, Statistics]]:
    """Statistics of every window of one stream, by window start, then tag.

    Args:
        samples: On-time samples of one (asset, source), in any order of time, in order of arrival.
        size: Of the windows.
        hold: How long a value is held after the stream's last sample.
        late: Samples that came behind the watermark, to windows that still took them.
        every: From one window's start to the next; None: the size.

    >>> found = window_statistics([("power", 0, 1.0, True), ("power", 5, 3.0, True)], 10, 5)
    >>> found[0]["power"].time_weighted_mean, found[0]["power"].coverage
    (2.0, 1.0)
    """
    on_time, every = sorted(samples, key=lambda sample: sample[1]), every or size
    cells: dict[int, dict[str, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
    for is_late, some in ((False, on_time), (True, late)):
        for tag, time, value, good in some:
            for start in _starts(time, time + 1, size, every):
                cell = cells[start][tag]
                cell.bad += not good
                cell.late += good and is_late
                if good:
                    cell.samples.append((time, _number(value)))
                    if isinstance(value, str) and not is_late:
                        cell.held.append((math.nan, 0))
    for tag, value, begin, end in _held(on_time, hold):
        for start in _starts(begin, end, size, every):
            duration = min(end, start + size) - max(begin, start)
            if duration > 0:
                cells[start][tag].held.append((value, duration))
    return {
        start: {tag: _statistics(cell, size) for tag, cell in tags.items()}
        for start, tags in sorted(cells.items())
    }


def _starts(begin: int, end: int, size: int, every: int) -> range:
    """The windows that hold any of the times from begin until before end."""
    return range((begin - size) // every * every + every, end, every)


def _number(value: float | str) -> float:
    return math.nan if isinstance(value, str) else value


def _held(on_time: Sequence[Sample], hold: int) -> Iterable[tuple[str, float, int, int]]:
    """(tag, value, begin, end) of every good value, from samples in order of time."""
    silent_from: dict[int, int] = {}
    following: int | None = None
    for _, time, _, _ in reversed(on_time):
        if following is None or following - time > hold:
            silent_from[time] = time + hold
        else:
            silent_from[time] = silent_from[following]
        following = time
    tags: dict[str, list[Sample]] = defaultdict(list)
    for sample in on_time:
        tags[sample[0]].append(sample)
    for tag, mine in tags.items():
        ends = [sample[1] for sample in mine[1:]]
        for (_, time, value, good), end in zip(mine, [*ends, None], strict=True):
            cut = silent_from[time]
            if good:
                yield tag, _number(value), time, cut if end is None else min(cut, end)


def _statistics(cell: _Cell, size: int) -> Statistics:
    cell.samples.sort(key=lambda sample: sample[0])
    values = [value for _, value in cell.samples]
    covered = sum(duration for _, duration in cell.held)
    mean = deviation = low = high = weighted = math.nan
    if values and not any(map(math.isnan, values)):
        mean = math.fsum(values) / len(values)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        low, high = min(values), max(values)
    if covered:
        weighted = math.fsum(value * duration for value, duration in cell.held) / covered
    return Statistics(
        count=len(values),
        bad=cell.bad,
        late=cell.late,
        mean=mean,
        time_weighted_mean=weighted,
        minimum=low,
        maximum=high,
        standard_deviation=deviation,
        first=values[0] if values else math.nan,
        last=values[-1] if values else math.nan,
        coverage=covered / size,
    )


@dataclass(slots=True)
class Judged:
    """What became of the samples of one stream.

    Attributes:
        watermark: None until a sample was accepted.
        on_time: In order of arrival.
        late: By window size: the late samples that it took, in order of arrival.
        bad: Samples of bad quality in any window.
        lost: Samples set aside, or too late for all sizes.
        places: Number of the record and place in it of those that are lost.
    """

    watermark: int | None = None
    on_time: list[Sample] = field(default_factory=list)
    late: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    bad: int = 0
    lost: int = 0
    places: set[tuple[int, int]] = field(default_factory=set)


def judge(
    records: Iterable[tuple[int, Sequence[Sample]]],
    out_of_order: int,
    clock_ahead: int,
    sizes: Iterable[Sequence[int]],
) -> Judged:
    """Judge samples of one stream as they arrive, record by record.

    Args:
        records: (ingest time, samples) of each record, in order of arrival.
        out_of_order: How far samples may overtake each other.
        clock_ahead: A sample further ahead of its record's ingest time is set aside.
        sizes: (size, reopen_for) of the windows, or (size, reopen_for, every).
    """
    judged, windows = Judged(), [(one[0], one[1], one[-1 if one[2:] else 0]) for one in sizes]
    for number, (ingest, samples) in enumerate(records):
        before = judged.watermark
        for place, sample in enumerate(samples):
            time = sample[1]
            if time > ingest + clock_ahead:
                judged.lost += 1
                judged.places.add((number, place))
                continue
            known = [] if judged.watermark is None else [judged.watermark]
            judged.watermark = max([time - out_of_order, *known])
            if before is None or time > before:
                judged.on_time.append(sample)
                judged.bad += not sample[3]
                continue
            takers = [s for s, kept, step in windows if time // step * step + s + kept > before]
            for size in takers:
                judged.late[size].append(sample)
            if not takers:
                judged.lost += 1
                judged.places.add((number, place))
            judged.bad += bool(takers) and not sample[3]
    return judged
