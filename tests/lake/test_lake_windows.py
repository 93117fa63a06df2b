"""`windows` shows what holds now: greatest versions, and nothing of what was taken back."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from lake_worker import START, new_sink

from penstock.demo.check_windows import _latest
from penstock.kafka.topics import FEATURES
from penstock.lake import open_lake, query
from penstock.sink import SinkRecord

FIGURES = (
    "mean", "time_weighted_mean", "minimum", "maximum", "standard_deviation", "first", "last",
    "coverage",
)  # fmt: skip


def result(
    *offsets: int,
    tags: dict[str, float],
    revision: int = 1,
    epoch: int = 0,
    emission: int = 0,
    start: int = START,
    size: int = 5_000_000,
) -> dict[str, Any]:
    """WindowStatistics whose figures are one number per tag."""
    return {
        "asset": "acme/bremen/stamping/line1/press07", "source": "plc", "window_start": start,
        "window_size": size, "watermark": start + 6_000_000, "revision": revision,
        "version": {"epoch": epoch, "offsets": list(offsets), "emission": emission},
        "tags": list(tags), "count": [1] * len(tags), "bad": [0] * len(tags),
        "late": [0] * len(tags), **{name: list(tags.values()) for name in FIGURES},
    }  # fmt: skip


def write(folder: Path, results: list[dict[str, Any]]) -> None:
    sink = new_sink(folder)
    for offset, one in enumerate(results):
        sink.write([SinkRecord(FEATURES.name, 0, offset, 0, None, one)])
        sink.flush(force=offset % 2 == 1)
    sink.flush()


def shown(folder: Path, view: str = "windows") -> list[tuple[object, ...]]:
    order = "order by window_seconds, kafka_offset, tag"
    sql = f"select tag, mean, revision, kafka_offset from {view} {order}"
    return query(open_lake(str(folder)), sql)[1]


@pytest.mark.parametrize("in_order", [True, False])
def test_of_a_window_the_greatest_version_is_shown_whatever_came_last(
    tmp_path: Path, in_order: bool
) -> None:
    results = [
        result(9, 3, tags={"a": 1.0, "b": 1.0}),
        result(10, 3, tags={"a": 2.0, "b": 2.0}, revision=2),
        result(10, 3, tags={"a": 3.0, "b": 3.0}, revision=3, emission=1),
        result(1, 0, tags={"a": 4.0, "b": 4.0}, revision=1, epoch=1),
    ]
    write(tmp_path, results if in_order else results[::-1])
    assert [row[:2] for row in shown(tmp_path)] == [("a", 4.0), ("b", 4.0)]
    assert len(shown(tmp_path, "window_revisions")) == 8


def test_a_window_that_was_taken_back_is_shown_no_more(tmp_path: Path) -> None:
    other = {"start": START + 5_000_000}
    write(
        tmp_path,
        [
            result(1, tags={"a": 1.0}),
            result(1, tags={"a": 5.0}, emission=1, **other),
            result(2, tags={}, revision=2),
        ],
    )
    assert shown(tmp_path) == [("a", 5.0, 1, 1)]
    assert shown(tmp_path, "window_revisions")[-1] == (None, None, 2, 2)
    counts = "select count, bad, late, version_offsets from window_revisions where tag is null"
    assert query(open_lake(str(tmp_path)), counts)[1] == [(0, 0, 0, [2])]


def test_a_window_can_come_again_after_it_was_taken_back(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            result(1, tags={"a": 1.0}),
            result(2, tags={}, revision=2),
            result(3, tags={"b": 3.0}, revision=3),
        ],
    )
    assert shown(tmp_path) == [("b", 3.0, 3, 2)], "tag a is in no figure of the third revision"


def test_windows_of_other_sizes_stand_for_themselves(tmp_path: Path) -> None:
    write(tmp_path, [result(1, tags={"a": 1.0}), result(2, tags={"a": 2.0}, size=10_000_000)])
    assert [row[1] for row in shown(tmp_path)] == [1.0, 2.0]


def test_a_result_published_twice_is_shown_once(tmp_path: Path) -> None:
    write(tmp_path, [result(1, tags={"a": 1.0, "b": 2.0})] * 2)
    assert shown(tmp_path) == [("a", 1.0, 1, 0), ("b", 2.0, 1, 0)]


def test_the_check_of_the_demo_reads_the_table_the_same_way(tmp_path: Path) -> None:
    other = {"start": START + 5_000_000}
    write(
        tmp_path,
        [
            result(1, tags={"a": 1.0}),
            result(2, tags={"a": 5.0, "b": 6.0}, **other),
            result(3, tags={}, revision=2),
            result(4, tags={"b": 7.0}, revision=2, **other),
        ],
    )
    table = DeltaTable(tmp_path / "windows").to_pyarrow_dataset().to_table()
    at = table.column_names.index("window_start")
    table = table.set_column(at, "window_start", table["window_start"].cast(pa.int64()))
    ((_, found),) = _latest(table).items()
    assert {key: row["mean"] for key, row in found.items()} == {(START + 5_000_000, "b"): 7.0}
    assert [row[:2] for row in shown(tmp_path)] == [("b", 7.0)]


def test_a_filter_on_the_site_reaches_the_files(tmp_path: Path) -> None:
    write(tmp_path, [result(1, tags={"a": 1.0})])
    plan = query(
        open_lake(str(tmp_path)), "explain select * from windows where site = 'acme/bremen'"
    )
    text = str(plan[1])
    assert text.index("ARROW_SCAN") < text.rindex("acme/bremen"), "filtered in the scan"
