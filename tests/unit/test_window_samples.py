"""The order of samples that come in rows, each of one series: as if they came one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.operators.windows import samples as module
from streams.operators.windows.samples import Samples, joined

ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),  # series
        st.integers(0, 40),  # first time
        st.lists(st.integers(0, 5), min_size=0, max_size=12),  # steps
    ),
    max_size=8,
)


def columns(rows: list[tuple[int, int, list[int]]]) -> Samples:
    """Each row's times grow by its steps; values tell the order of arrival."""
    series = [number for number, _, steps in rows for _ in range(len(steps) + 1)]
    times = [
        time for _, first, steps in rows for time in np.cumsum([first, *steps]).tolist()
    ]  # fmt: skip
    place = np.arange(len(series), dtype=np.float64)
    return Samples(
        np.array(series, np.int64), np.array(times, np.int64), place, np.ones(len(place), np.bool_)
    )


@given(rows=ROWS.filter(bool))
def test_rows_are_ordered_as_their_samples_are(rows: list[tuple[int, int, list[int]]]) -> None:
    given_ = columns(rows)
    found = given_.in_order()
    expected = np.lexsort((given_.time, given_.series))  # stable
    assert found.value.tolist() == given_.value[expected].tolist()


def test_rows_that_overlap_are_ordered_sample_by_sample() -> None:
    rows = columns([(1, 0, [10] * 5), (1, 5, [10] * 5)])
    firsts, lasts = np.array([0, 5]), np.array([50, 55])
    assert module._order_of_runs(np.array([1, 1]), firsts, lasts) is None
    assert rows.in_order().time.tolist() == sorted(rows.time.tolist())


def test_a_row_that_begins_when_another_ends_keeps_the_order_of_arrival() -> None:
    rows = columns([(1, 30, [1, 1, 1]), (1, 10, [10, 10])])  # the second ends at 30, too
    assert rows.in_order().value.tolist() == [4.0, 5.0, 0.0, 6.0, 1.0, 2.0, 3.0]


def test_nothing_joined_is_nothing() -> None:
    assert len(joined([])) == 0
