"""How a figure came about."""

from typing import Any

import pytest

from penstock.why import NoFigureError, choose, late_of

PRESS, LINE = "acme/bremen/line1/press", "acme/bremen/line1"


def record(kind: str = "sliding", start: int = 0, end: int = 60, **more: Any) -> dict[str, Any]:
    unit = more.pop("asset", None)
    emission = more.pop("emission", 1)
    return {
        "id": f"{unit or LINE}/{kind}/{start}",
        "line": LINE,
        "asset": unit,
        "kind": kind,
        "window_start": start,
        "window_end": end,
        "version": {"epoch": 1, "offsets": [5], "emission": emission},
        "kpis": {"oee": 0.5, "availability": 0.8},
        "inputs": [{"asset": PRESS, "late": 0}],
        **more,
    }


def test_all_revisions_of_a_window_are_found_in_order() -> None:
    records = [
        record(emission=3),
        record(emission=1),
        record(start=60, end=120),
        record(asset=PRESS),
    ]
    found = choose(records, {"line1", LINE}, "oee", 30)
    assert [one["version"]["emission"] for one in found] == [1, 3]
    assert all(one["asset"] is None for one in found)


def test_a_shift_goes_before_shorter_windows() -> None:
    records = [record(), record("shift", 0, 480), record("size", 20, 40)]
    assert choose(records, {LINE}, "oee", 30)[0]["kind"] == "shift"
    assert choose(records, {LINE}, "oee", 30, "size")[0]["kind"] == "size"
    assert choose(records[::2], {LINE}, "oee", 30)[0]["kind"] == "size"


def test_without_a_time_it_is_the_newest_window_whose_figure_is_known() -> None:
    unknown = record(start=120, end=180, kpis={"oee": None})
    records = [record(), record(start=60, end=120), unknown]
    assert choose(records, {LINE}, "oee", None)[0]["window_start"] == 60
    assert choose([unknown], {LINE}, "oee", None) == [unknown]
    with pytest.raises(NoFigureError, match="there is no shift window with 'oee'"):
        choose(records, {LINE}, "oee", None, "shift")


def test_without_a_time_it_is_the_newest_order_that_is_completed() -> None:
    done = [record("order", start, start + 30, final=True) for start in (0, 30)]
    runs = record("order", 60, 61, final=False)
    assert choose([*done, runs], {LINE}, "oee", None, "order") == [done[1]]
    assert choose([runs], {LINE}, "oee", None, "order") == [runs]


def test_of_overlapping_windows_the_newest_counts() -> None:
    records = [record(start=start, end=start + 15) for start in (40, 45, 50, 55)]
    assert choose(records, {LINE}, "oee", None)[0]["window_start"] == 55
    assert choose(records, {LINE}, "oee", 50)[0]["window_start"] == 50


@pytest.mark.parametrize(
    ("unit", "kpi", "time", "fault"),
    [
        ("line2", "oee", 30, "no KPIs of 'line2'"),
        (LINE, "oe", 30, "there is no KPI 'oe'"),
        (LINE, "oee", 61, "no window with 'oee' holds this time .*from 1970-01-01T00"),
    ],
)
def test_what_is_not_there_is_named(unit: str, kpi: str, time: int, fault: str) -> None:
    with pytest.raises(NoFigureError, match=fault):
        choose([record()], {unit}, kpi, time)


def test_a_figure_that_only_machines_have_is_told_of_with_one_of_them() -> None:
    records = [record(), record(asset=PRESS, kpis={"mtbf": 36.4})]
    with pytest.raises(NoFigureError, match=r"'line1' has no 'mtbf'.*as acme/bremen/line1/press"):
        choose(records, {"line1", LINE}, "mtbf", 30)


def test_late_samples_are_those_of_the_windows_panes_once_each() -> None:
    late = {"tag": "ScrapCount", "time": 12, "value": "7"}
    partials = [
        {"asset": PRESS, "pane_start": 10, "late": [late]},
        {"asset": PRESS, "pane_start": 20, "late": [late]},
        {"asset": PRESS, "pane_start": 70, "late": [{**late, "time": 71}]},
        {"asset": "acme/bremen/line1/other", "pane_start": 10, "late": [late]},
    ]
    assert late_of(record(), partials) == [(PRESS, "ScrapCount", 12, "7")]
