"""Why a figure is null: the reason is there where the figure is not, and only there."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from penstock.cli import app
from penstock.cli import why as command
from penstock.factory import write_factory
from penstock.unknown import unknown
from penstock.why import Why
from streams.operators.kpis.account import Account
from streams.operators.production.elements import ELEMENTS
from streams.production import installed_kpis

PLANNINGS = ("planned", "planned_stop", "not_scheduled")
TIMES = st.dictionaries(
    st.tuples(st.sampled_from(ELEMENTS), st.sampled_from(PLANNINGS)), st.integers(1, 10**9)
)
PIECES = st.none() | st.integers(0, 3)


def record(account: Account, kind: str = "shift", **more: Any) -> dict[str, Any]:
    """What of a `KpiWindow` tells of an account."""
    kpis = {one.name: one.compute(account) for one in installed_kpis() if one.belongs_to(kind)}
    return {
        "balance": [
            {"element": element, "planning": how, "duration": time}
            for (element, how), time in account.times.items()
        ],
        "kind": kind, "work_units": 1,
        "no_order_counts": account.no_order_counts,
        "produced": _null(account.produced), "good": _null(account.good),
        "scrap": _null(account.scrap), "planned_run_time": _null(account.planned_run),
        "good_run_time": _null(account.good_run), "missing": [],
        "kpis": {name: _null(value) for name, value in kpis.items()},
    } | more  # fmt: skip


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def account(
    times: dict[tuple[str, str], int],
    good: int | None = 3,
    scrap: int | None = 1,
    run: float = 2.0,
    total: int | None = None,
) -> Account:
    """Of pieces that take `run` seconds each; None and NaN are not known."""
    known = [math.nan if one is None else float(one) for one in (good, scrap)]
    made = sum(known) if total is None else float(total)
    return Account(times, "down", made, *known, made * run, known[0] * run)


@given(TIMES, PIECES, PIECES, st.sampled_from([2.0, math.nan]), PIECES)
def test_each_null_figure_has_a_reason_that_names_a_term(
    times: dict[tuple[str, str], int],
    good: int | None,
    scrap: int | None,
    run: float,
    total: int | None,
) -> None:
    only_total = total if good is None and scrap is None else None
    found = record(account(times, good, scrap, run, only_total))
    reasons = unknown(found)
    assert reasons.keys() == {name for name, value in found["kpis"].items() if value is None}
    for one in installed_kpis():
        if one.belongs_to("shift"):
            said = not one.unknown(found).endswith("cannot be computed")
            assert said == (one.name in reasons), one.name


RUNS = {("producing", "planned"): 60}


@pytest.mark.parametrize(
    ("found", "kpi", "reason"),
    [
        (account(RUNS, 0, 0), "quality_ratio", "nothing was produced"),
        (account(RUNS, None), "scrap_ratio", "no counter tells what was made"),
        (account(RUNS, run=math.nan), "oee", "no planned run time"),
        (account({}), "availability", "no time was planned"),
        (account(RUNS, None, None, total=4), "oee", "no counter tells what was good"),
        (account(RUNS, None, None, total=4), "nee", "no counter tells what was good"),
        (
            account({("unknown", "planned"): 60}),
            "effectiveness",
            "in the time whose state is known it did not produce",
        ),
        (account({("unknown", "planned"): 60}), "oee", "of no planned time the state is known"),
        (account({("setup", "planned"): 60}), "effectiveness", "it did not produce"),
    ],
)
def test_the_reason_is_in_words(found: Account, kpi: str, reason: str) -> None:
    assert reason in unknown(record(found))[kpi]


def test_rolling_figures_and_those_of_orders_have_reasons_too() -> None:
    rolling = unknown(record(account(RUNS), "rolling"))
    assert rolling == {"mtbf": "no failure began", "mttr": "no failure ended"}
    assert unknown(record(account(RUNS), "order"))["throughput_rate"] == "no work on the order yet"


def test_who_is_missing_is_named_and_a_figure_of_another_release_is_no_fault() -> None:
    found = record(account({}), missing=["acme/bremen/line/saw"])
    assert unknown(found)["oee"].endswith("nothing was heard of saw up to the window's end")
    other = record(account(RUNS), kpis={"strange": None})
    assert unknown(other) == {"strange": "its KPI is not installed here"}
    assert Why("strange", [other], []).as_dict()["unknown"] == unknown(other)


def test_why_tells_the_reason_of_the_figure_that_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = {
        "asset": None, "line": "acme/bremen/line", "kind": "shift", "name": "early",
        "window_start": 0, "window_end": 60, "until": 60, "watermark": 1, "revision": 1,
        "standard": "iso22400", "coverage": 1.0, "work_units": 1, "flags": [], "inputs": [],
        "incomplete": False, "final": True,
    }  # fmt: skip
    found = Why("quality_ratio", [record(account(RUNS, 0, 0), **window)], [])
    monkeypatch.setattr(command, "look_up", lambda *_: found)
    plant = str(write_factory(tmp_path).plant)
    time = "2026-03-01T06:00:00+01:00"
    done = CliRunner().invoke(app, ["why", "line", "quality_ratio", time, "--config", plant])
    told = done.output
    assert done.exception is None
    assert "unknown: nothing was produced" in told.splitlines()
    assert "unknown, too: " in told and "scrap_ratio" in told


def test_a_serial_line_without_a_constraint_is_told_so() -> None:
    found = record(account({}), work_units=0)
    assert "constraint" in unknown(found)["oee"]


def revision(number: int, oee: float, **more: Any) -> dict[str, Any]:
    return {"revision": number, "kpis": {"oee": oee}, **more}


def test_of_many_revisions_the_first_the_last_and_the_newest_changes_are_shown() -> None:
    figures = [0.1, 0.2, *([0.3] * 20), 0.4, 0.4]
    found = Why("oee", [revision(n, one) for n, one in enumerate(figures)], ())
    assert [one["revision"] for one in command._telling(found)] == [0, 1, 2, 22, 23]
    moving = Why("oee", [revision(n, n / 100) for n in range(50)], ())
    assert [one["revision"] for one in command._telling(moving)] == [0, *range(44, 50)]
    assert len(command._telling(Why("oee", [revision(0, 0.5)], ()))) == 1


def test_little_that_is_known_of_the_shifts_time_is_told() -> None:
    balance = [("producing", "planned", 60), ("unknown", "not_scheduled", 3_000)]
    shares = [{"element": e, "planning": p, "duration": s * 1_000_000} for e, p, s in balance]
    assert command._known({"balance": shares}) is None
    shares[1]["planning"] = "planned"
    assert command._known({"balance": shares}) == "of 3,060.0 s only 60.0 s are known"
