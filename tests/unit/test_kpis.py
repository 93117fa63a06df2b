"""KPI formulas against published figures, and against what must hold of any account."""

import math
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import FailureTime
from streams.operators.kpis.account import Account, Failures
from streams.operators.kpis.reliability import merged, mtbf, power_law, power_law_bounds
from streams.operators.production.counting import most_plausible, rise
from streams.operators.production.elements import ELEMENTS
from streams.production import installed_kpis

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def figures(account, kind="shift"):
    return {one.name: one.compute(account) for one in installed_kpis() if one.belongs_to(kind)}


def shown(ratio):
    return f"{100 * ratio:.2f}"


def test_the_worksheet_of_vorne():
    account = Account(
        times={
            ("producing", "planned"): 373 * MINUTE,
            ("failure", "planned"): 47 * MINUTE,
            ("no_order", "planned_stop"): 60 * MINUTE,
        },
        produced=19_271.0,
        good=19_271.0 - 423.0,
        scrap=423.0,
        planned_run=19_271.0,
        good_run=19_271.0 - 423.0,
    )
    found = figures(account)
    names = ("availability", "effectiveness", "quality_ratio", "oee")
    assert [shown(found[name]) for name in names] == ["88.81", "86.11", "97.80", "74.79"]


def test_availability_of_machine_d_by_both_conventions():
    def smrp(scheduled):
        times = {
            ("producing", "planned"): round(12.26 * HOUR),
            ("no_order", "planned"): 8 * HOUR,
            (*scheduled,): round(1.66 * HOUR),
            ("failure", "planned"): round(2.08 * HOUR),
        }
        return figures(Account(times=times, no_order_counts="not_planned"))["availability"]

    assert rounded(smrp(("delay", "planned"))) == "76.63"
    assert rounded(smrp(("delay", "planned_stop"))) == "85.50"


def rounded(ratio):
    """In percent, halves up, as the published figure is."""
    return str(Decimal(repr(round(100 * ratio, 9))).quantize(Decimal("0.01"), ROUND_HALF_UP))


NIST = [5, 40, 43, 175, 389, 712, 747, 795, 1299, 1478]


def test_failures_of_the_nist_handbook():
    assert mtbf(NIST, 1500) == 150
    assert mtbf(NIST, 1500, "to_last") == 147.8
    assert f"{mtbf(NIST, 1500, 'between'):.2f}" == "163.67"
    law = power_law(NIST, 1500)
    assert (f"{law.exponent:.6f}", f"{law.mtbf:.3f}") == ("0.483506", "310.234")
    bounds = power_law_bounds(law, len(NIST), NormalDist().inv_cdf(0.9))
    assert [f"{bound:.2f}" for bound in bounds] == ["157.71", "548.56"]


@pytest.mark.parametrize("divisor", ["failures", "to_last", "between"])
def test_without_failures_there_is_no_mtbf(divisor):
    assert math.isnan(mtbf([], 100.0, divisor))
    found = figures(Account(times={("producing", "planned"): HOUR}), "rolling")
    assert math.isnan(found["mtbf"]) and math.isnan(found["mttr"]) and found["failures"] == 0


def test_mtbf_counts_setup_and_production_by_failures():
    times = {("producing", "planned"): 8 * HOUR, ("setup", "planned"): 2 * HOUR}
    times |= {("delay", "planned"): 5 * HOUR, ("failure", "planned"): HOUR}
    found = figures(Account(times=times, failures=Failures(2, 1, 1800.0)), "rolling")
    assert (found["mtbf"], found["mttr"]) == (5 * 3600, 1800)


def test_restarts_of_the_same_failure_are_one():
    spans = [FailureTime(0, 10), FailureTime(14, 20), FailureTime(30, 40)]
    assert merged(reversed(spans), 5) == [FailureTime(0, 20), FailureTime(30, 40)]


def test_producing_in_a_planned_stop_makes_availability_greater_than_one():
    times = {("producing", "planned"): 60 * MINUTE, ("producing", "planned_stop"): 30 * MINUTE}
    assert figures(Account(times=times))["availability"] == 1.5


def test_minor_stops_are_a_loss_of_performance_in_tpm():
    times = {("producing", "planned"): 60 * MINUTE, ("minor_stop", "planned"): 20 * MINUTE}
    found = figures(Account(times=times, produced=90.0, good=90.0, scrap=0.0, planned_run=3000.0,
                            good_run=3000.0))  # fmt: skip
    assert (found["availability"], found["tpm_availability"]) == (0.75, 1.0)
    assert found["effectiveness"] == 3000 / 3600 and found["tpm_performance"] == 3000 / 4800


def test_unknown_time_is_not_down_time():
    times = {("producing", "planned"): 45 * MINUTE, ("unknown", "planned"): 15 * MINUTE}
    account = Account(times=times)
    assert figures(account)["availability"] == 1.0 and account.coverage == 0.75


seconds = st.integers(0, 10**11)
ACCOUNTS = st.builds(
    lambda times, made, counts: Account(
        times=times,
        no_order_counts=counts,
        produced=sum(good + scrap for _, good, scrap in made),
        good=sum(good for _, good, _ in made),
        scrap=sum(scrap for *_, scrap in made),
        planned_run=math.fsum(pru * (good + scrap) for pru, good, scrap in made),
        good_run=math.fsum(pru * good for pru, good, _ in made),
    ),
    st.dictionaries(
        st.tuples(
            st.sampled_from(ELEMENTS),
            st.sampled_from(["planned", "planned_stop", "not_scheduled"]),
        ),
        seconds,
    ),
    st.lists(
        st.tuples(st.floats(0.01, 100), st.integers(0, 1000), st.integers(0, 1000)), max_size=4
    ),
    st.sampled_from(["down", "not_planned"]),
)


@given(ACCOUNTS)
def test_oee_is_good_run_time_by_planned_busy_time_under_both_standards(account):
    found = figures(account)
    times = dict(account.times)
    busy = sum(t for (_, how), t in times.items() if how == "planned")
    busy -= times.get(("unknown", "planned"), 0)
    if account.no_order_counts == "not_planned":
        busy -= times.get(("no_order", "planned"), 0)
    producing = sum(t for (element, _), t in times.items() if element == "producing")
    if busy > 0:
        assert found["availability"] == pytest.approx(producing / busy, rel=1e-12)
        assert found["oee"] == pytest.approx(account.good_run / busy * 1e6, rel=1e-12)
    if producing:
        run = account.planned_run / producing * 1e6
        assert found["effectiveness"] == pytest.approx(run, rel=1e-12)
    for names in (("availability", "effectiveness"), ("tpm_availability", "tpm_performance")):
        product = found[names[0]] * found[names[1]] * found["quality_ratio"]
        if not math.isnan(product):
            assert found["oee"] == pytest.approx(product, rel=1e-9)


@pytest.mark.parametrize(
    ("before", "value", "maximum", "pieces", "doubt"),
    [
        (5, 9, None, 4, ""),
        (9_990, 3, 9_999, 13, "rolled over"),
        (500, 3, None, 3, "was reset"),
        (500, 3, 9_999, 3, "was reset"),
        (0, 500, None, 0, "jumped: not counted"),  # an old value restored
        (500, 400, None, 0, "jumped: not counted"),
    ],
)
def test_what_a_counter_says(before, value, maximum, pieces, doubt):
    assert rise(before, value, maximum, 20.0) == (pieces, doubt)


def test_how_many_pieces_are_plausible_grows_with_the_time():
    assert most_plausible(3_600_000_000, 1.0, 3.0) > 10_000
    assert rise(0, 500, None, most_plausible(3_600_000_000, 1.0, 3.0)).pieces == 500
