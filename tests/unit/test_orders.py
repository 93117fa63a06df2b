"""What was made for an order, whatever the counters do and in whatever order readings come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings.tags import Role
from sinks.orders import OrderReport, OrderTracker, Reading

SECOND = 1_000_000


def tracker(maximum: float | None = None) -> OrderTracker:
    return OrderTracker(SECOND, {} if maximum is None else {Role.GOOD: maximum})


def order(second: int, name: str, offset: int = 0) -> Reading:
    return Reading(second * SECOND, Role.ORDER, name, offset)


def good(second: int, count: float, offset: int = 0) -> Reading:
    return Reading(second * SECOND, Role.GOOD, count, offset)


def completed(reports: list[OrderReport]) -> list[tuple[str, float, float]]:
    return [(r.order, r.good, r.scrap) for r in reports if r.completed]


def test_pieces_between_two_orders_are_counted_for_the_first() -> None:
    reports = tracker().take(
        [good(0, 10), order(1, "A"), good(2, 12), good(3, 15), order(4, "B"), good(9, 15)]
    )
    assert completed(reports) == [("A", 5, 0)]
    assert [(r.order, r.completed) for r in reports] == [("A", False), ("A", True), ("B", False)]


def test_a_piece_at_the_moment_of_the_change_counts_for_the_new_order() -> None:
    reports = tracker().take(
        [good(0, 10), order(1, "A"), good(4, 11), order(4, "B"), order(6, "C"), good(9, 11)]
    )
    assert completed(reports) == [("A", 0, 0), ("B", 1, 0)]


@pytest.mark.parametrize(
    ("maximum", "counts", "made"),
    [
        (None, [98, 99, 1, 2], 3),  # reset: counts from 0 again
        (99, [98, 99, 1, 2], 4),  # rolled over: 99 -> 0 -> 1
        (99, [30, 31, 1, 2], 3),  # went back by less than half its range: reset
    ],
)
def test_a_counter_that_goes_back(maximum: float | None, counts: list[int], made: int) -> None:
    readings = [good(n, count) for n, count in enumerate(counts)]
    reports = tracker(maximum).take([order(0, "A"), *readings, order(10, "B"), good(20, 2)])
    assert completed(reports) == [("A", made, 0)]


@given(st.randoms(use_true_random=False))
def test_readings_may_overtake_each_other_within_the_lateness(random: object) -> None:
    readings = [good(0, 0), order(1, "A")]
    readings += [good(2 + n, n) for n in range(1, 8)]
    readings += [order(10, "B"), good(11, 9), order(20, "C"), good(30, 9)]
    shuffled = sorted(readings, key=lambda r: r.time + random.random() * SECOND)  # type: ignore[attr-defined]
    follower = tracker()
    reports = [report for reading in shuffled for report in follower.take([reading])]
    assert completed(reports) == [("A", 7, 0), ("B", 2, 0)]


def test_reading_again_from_the_resume_offset_gives_the_same_report() -> None:
    readings = [good(0, 10, 0), order(1, "A", 1), good(2, 12, 2), order(3, "B", 3)]
    readings += [good(n, 12 + n, n) for n in range(4, 9)]
    readings += [order(9, "C", 9), good(20, 30, 10)]
    whole = tracker()
    reports = [report for reading in readings for report in whole.take([reading])]
    for cut in range(len(readings)):
        first = tracker()
        seen = [r for reading in readings[:cut] for r in first.take([reading])]
        resume = first.resume_offset(cut)
        assert resume <= cut
        again = tracker()
        seen += [r for reading in readings[resume:] for r in again.take([reading])]
        assert completed(reports)[-1] in completed(seen)
        assert {report for report in reports if report.completed} <= set(seen)
