"""Holds the published windows against an independent computation over the lake's samples."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

import pyarrow as pa

from penstock.quality import is_good
from penstock.settings.plant import Windows
from penstock.testing.oracle import Judged, Sample, Statistics, judge, window_statistics
from penstock.units import microseconds

T = TypeVar("T")

TOLERANCE: Final = 1e-9
"""Relative, for sums and what comes of them; all else is exact."""
APPROXIMATE: Final = {"mean", "time_weighted_mean", "standard_deviation", "coverage"}
EXAMPLES: Final = 8

Stream = tuple[str, str]
"""Asset and source."""
Window = tuple[int, int]
"""Size and start, microseconds."""


@dataclass(slots=True)
class WindowCheck:
    """What comparing windows found; counted by tag and window."""

    windows: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count a difference and keep the first few."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def check_windows(
    samples: pa.Table, published: pa.Table, settings: Windows, span: tuple[int, int]
) -> WindowCheck:
    """Compare every window that begins within a span and that its source's watermark has closed.

    Later ones of a source that fell silent are published with what is known by then.

    Args:
        samples: Rows of the lake's `samples`, from some time before `since`.
        published: Rows of the lake's `windows`.
        settings: Sizes, lateness and hold of the windows.
        span: Microseconds since 1970-01-01 UTC, the second one excluded.
    """
    found = WindowCheck()
    results = _latest(published)
    for stream, records in _streams(samples):
        sizes = [(microseconds(s), microseconds(w.reopen_for)) for s, w in settings.sizes.items()]
        judged = judge(
            records, microseconds(settings.out_of_order), microseconds(settings.clock_ahead), sizes
        )
        for size, _ in sizes:
            closed = span[0], min(span[1], (judged.watermark or 0) - size + 1)
            expected = _expected(judged, size, microseconds(settings.hold))
            mine = results.get((*stream, size), {})
            _compare(stream, _within(expected, closed), _within(mine, closed), found)
    return found


def _within(windows: Mapping[tuple[int, str], T], span: tuple[int, int]) -> dict[Any, T]:
    return {key: value for key, value in windows.items() if span[0] <= key[0] < span[1]}


def _expected(judged: Judged, size: int, hold: int) -> dict[tuple[int, str], Statistics]:
    """By window start and tag."""
    windows = window_statistics(judged.on_time, size, hold, judged.late[size])
    return {
        (start, tag): figures for start, tags in windows.items() for tag, figures in tags.items()
    }


def _compare(
    stream: Stream,
    expected: Mapping[tuple[int, str], Statistics],
    published: Mapping[tuple[int, str], Mapping[str, Any]],
    found: WindowCheck,
) -> None:
    found.windows += len(published)
    for key in expected.keys() | published.keys():
        name = f"{'/'.join(stream)} {key[1]} window {key[0]}"
        if key not in published:
            found.note(f"{name}: never published")
        elif key not in expected:
            found.note(f"{name}: published, but there is no such window")
        else:
            wrong = _differences(expected[key], published[key])
            if wrong:
                found.note(f"{name}: {', '.join(wrong)}")


def _differences(expected: Statistics, row: Mapping[str, Any]) -> list[str]:
    wrong = []
    for column in fields(expected):
        wanted, got = getattr(expected, column.name), row[column.name]
        got = math.nan if got is None else got
        if column.name in APPROXIMATE:
            same = math.isclose(wanted, got, rel_tol=TOLERANCE, abs_tol=1e-9)
        else:
            same = wanted == got
        if not (same or (math.isnan(wanted) and math.isnan(got))):
            wrong.append(f"{column.name} is {got}, should be {wanted}")
    return wrong


def _latest(published: pa.Table) -> dict[tuple[str, str, int], dict[tuple[int, str], Any]]:
    """The rows of each window's greatest version by start and tag, by stream and size.

    A row without a tag takes its window back: nothing of the window remains.
    """
    best: dict[tuple[str, str, int], dict[int, list[Any]]] = {}
    for row in published.to_pylist():
        row["version"] = (row["version_epoch"], row["version_offsets"], row["version_emission"])
        stream = (row["asset"], row["source"], round(row["window_seconds"] * 1e6))
        rows = best.setdefault(stream, {}).setdefault(row["window_start"], [])
        if rows and row["version"] > rows[0]["version"]:
            rows.clear()
        if not rows or row["version"] == rows[0]["version"]:
            rows.append(row)
    return {
        stream: {
            (start, row["tag"]): row
            for start, rows in windows.items()
            for row in rows
            if row["tag"] is not None
        }
        for stream, windows in best.items()
    }


def _streams(samples: pa.Table) -> Iterator[tuple[Stream, list[tuple[int, Sequence[Sample]]]]]:
    """(ingest time, samples) of each record in order of arrival, by stream."""
    order = [(name, "ascending") for name in ("asset", "source", "kafka_offset", "time")]
    columns = samples.sort_by(order).to_pydict()
    stream: Stream | None = None
    offset = -1
    records: list[tuple[int, list[Sample]]] = []
    for asset, source, at, ingest, tag, time, value, text, quality in zip(
        *(columns[name] for name in ("asset", "source", "kafka_offset", "ingest_time", "tag",
                                     "time", "value", "text", "quality")),
        strict=True,
    ):  # fmt: skip
        if (asset, source) != stream:
            if stream is not None:
                yield stream, list(records)
            stream, offset, records = (asset, source), -1, []
        if at != offset:
            offset = at
            records.append((ingest, []))
        told = text if text is not None else (math.nan if value is None else value)
        good = is_good(quality) and not (isinstance(told, float) and not math.isfinite(told))
        records[-1][1].append((tag, time, told, good))
    if stream is not None:
        yield stream, list(records)
