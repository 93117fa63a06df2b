"""What was made for an order, whatever the counters do and in whatever order readings come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings.tags import Role
from sinks.orders import OrderReport, OrderTracker, Reading

SECOND = 1_000_000


def tracker(maximum: float | None = None) -> OrderTracker:
    """One that has seen that there was no order."""
    follower = OrderTracker(SECOND, {} if maximum is None else {Role.GOOD: maximum})
    follower.take([order(-10, "")])
    return follower


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


def test_an_order_whose_beginning_was_not_seen_is_not_reported() -> None:
    follower = OrderTracker(SECOND, {})
    reports = follower.take([order(0, "A"), good(0, 10), good(1, 15), order(2, "B"), good(9, 15)])
    assert [(r.order, r.completed) for r in reports] == [("B", False)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "A", "B", "C"]), st.integers(0, 3), st.booleans()),
        max_size=12,
    )
)
def test_reading_again_from_the_resume_offset_reports_the_same_and_nothing_else(
    seconds: list[tuple[str, int, bool]],
) -> None:
    """Whatever is asked where: each record tells all, or, as on change, only the order."""
    total = 0
    records = []
    for second, (name, pieces, all_told) in enumerate(seconds):
        total += pieces
        told = [order(second, name, second)]
        records.append([*told, good(second, total, second)] if all_told else told)
    records.append([good(99, total, len(records))])
    whole = OrderTracker(SECOND, {})
    reports = [report for record in records for report in whole.take(record)]
    for cut in range(len(records)):
        first, again = OrderTracker(SECOND, {}), OrderTracker(SECOND, {})
        seen = [r for record in records[:cut] for r in first.take(record)]
        resume = first.resume_offset(cut)
        assert resume <= cut
        seen += [r for record in records[resume:] for r in again.take(record)]
        assert set(seen) == set(reports)
