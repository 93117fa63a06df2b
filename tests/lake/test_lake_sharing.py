"""KPIs and alerts in the lake, and a DuckDB file that shows the lake to those who know no Delta."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable
from lake_worker import START, new_sink, record

from penstock.errors import LakeError
from penstock.kafka.topics import ALERTS, KPIS
from penstock.lake import compact, init_views, open_lake, query
from penstock.sink import SinkRecord

LINE = "acme/bremen/stamping/line1"


def version(offset: int) -> dict[str, Any]:
    return {"epoch": 1, "offsets": [offset], "emission": 1}


def alert(offset: int, state: str = "raised", **more: Any) -> dict[str, Any]:
    return {
        "id": "a1b2", "asset": f"{LINE}/press01", "cause": "anomaly/pca", "severity": "high",
        "state": state, "message": "strange", "onset": START, "raised": START + 5,
        "acknowledged": None, "acknowledged_by": None, "note": None, "cleared": None,
        "value": 1e-6, "limit": 0.01, "watermark": START + 5, "revision": 1,
        "version": version(offset),
        "evidence": {"words": ["oil: 61 %"], "tags": ["oil"], "shares": [0.61]},
    } | more  # fmt: skip


def kpis(offset: int, figures: dict[str, float | None], **more: Any) -> dict[str, Any]:
    return {
        "id": f"{LINE} size {START}", "scope": "line", "line": LINE, "asset": None, "kind": "size",
        "name": "1 h", "production_day": None, "window_start": START, "window_end": START + 10,
        "until": START + 10, "final": True, "incomplete": False, "produced": 9.0, "good": 8.0,
        "scrap": 1.0, "coverage": 1.0, "standard": "iso22400", "no_order_counts": "down",
        "flags": [], "revision": 1, "watermark": START + 10, "version": version(offset),
        "balance": [{"element": "failure", "planning": "planned", "duration": 1_500_000}],
        "kpis": figures,
    } | more  # fmt: skip


def write(folder: Path, topic: str, data: list[dict[str, Any]], first: int = 0) -> None:
    sink = new_sink(folder)
    sink.open(topic, 0)
    sink.write([SinkRecord(topic, 0, first + n, 0, None, one) for n, one in enumerate(data)])
    sink.flush(force=True)


def shown(folder: Path, sql: str) -> list[tuple[object, ...]]:
    return query(open_lake(str(folder)), sql)[1]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_an_alert_is_shown_as_it_stands_and_every_state_is_kept(tmp_path: Path, last: int) -> None:
    states = [
        alert(1),
        alert(2, "acknowledged", acknowledged=START + 7, acknowledged_by="Ann", revision=2),
        alert(3, "cleared", acknowledged=START + 7, acknowledged_by="Ann", cleared=START + 9),
    ]
    states.append(states.pop(last))  # whichever comes last, the greatest version counts
    write(tmp_path, ALERTS.name, [*states, states[0]])
    at = datetime.fromtimestamp(START / 1e6, UTC) + timedelta(microseconds=9)
    sql = "select state, acknowledged_by, cleared, words, site, date from alerts"
    assert shown(tmp_path, sql) == [("cleared", "Ann", at, ["oil: 61 %"], "acme/bremen", at.date())]
    assert shown(tmp_path, "select count(*) from alert_revisions") == [(4,)]


def test_of_kpis_the_figures_of_the_greatest_version_are_shown(tmp_path: Path) -> None:
    first = kpis(1, {"oee": 0.5, "mtbf": None, "availability": 0.7})
    second = kpis(2, {"oee": 0.6, "mtbf": None}, revision=2)
    write(tmp_path, KPIS.name, [second, first, kpis(3, {}, id="other")])
    assert shown(tmp_path, "select kpi, value, revision from kpis order by 1") == [
        ("mtbf", None, 2),
        ("oee", 0.6, 2),
    ]
    balance = shown(tmp_path, "select distinct balance from kpi_revisions")
    assert balance == [([{"element": "failure", "planning": "planned", "duration_seconds": 1.5}],)]
    assert shown(tmp_path, "select count(*) from kpi_revisions") == [(6,)]


def test_a_file_shows_the_lake_as_it_is_at_any_time(tmp_path: Path) -> None:
    folder, file = tmp_path / "l'ake", tmp_path / "it's.duckdb"
    sink = new_sink(folder)
    sink.write([record(p, n) for p in range(2) for n in range(4)])
    sink.flush(force=True)
    write(folder, ALERTS.name, [alert(1)])
    made, missing = init_views(str(folder), file)
    assert made == ["samples", "alert_revisions", "alerts"] and missing == ["windows", "kpis"]

    def rows(sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    whole = "select count(*), count(distinct (asset, value)), min(site), max(date) from samples"
    assert rows(whole) == shown(folder, whole) == [(160, 160, "acme/bremen", rows(
        "select max(date) from samples")[0][0])]  # fmt: skip
    for n in range(4, 24):  # many commits, and a compaction that leaves the old files
        sink.write([record(p, n) for p in range(2)])
        sink.flush(force=True)
    compact(str(folder))
    assert rows(whole) == shown(folder, whole)
    assert rows("select count(*) from samples") == [(960,)]
    DeltaTable(folder / "samples").create_checkpoint()
    for log in sorted((folder / "samples" / "_delta_log").glob("*.json"))[:-1]:
        log.unlink()  # as Delta does with what is older than 30 days
    sink.write([record(0, 24)])
    sink.flush(force=True)
    assert rows(whole) == shown(folder, whole)
    write(folder, ALERTS.name, [alert(2, "cleared", cleared=START)], first=1)
    assert rows("select state from alerts") == [("cleared",)]
    write(folder, KPIS.name, [kpis(1, {"oee": 0.5})])
    made, missing = init_views(str(folder), file)
    assert {"kpis", "kpi_revisions"} <= set(made) and missing == ["windows"]
    assert rows("select value from kpis") == [(0.5,)]


def test_what_cannot_be_shown_is_told(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake here"):
        init_views(str(tmp_path), tmp_path / "a.duckdb")
    with pytest.raises(LakeError, match="local folder"):
        init_views("s3://bucket/lake", tmp_path / "a.duckdb")
    write(tmp_path / "lake", ALERTS.name, [alert(1)])
    with pytest.raises(LakeError, match="cannot be made"):
        init_views(str(tmp_path / "lake"), tmp_path / "no" / "such" / "folder.duckdb")
    (tmp_path / "text").write_text("this is no database")
    with pytest.raises(LakeError, match="cannot be made"):
        init_views(str(tmp_path / "lake"), tmp_path / "text")
