"""Windows that wait for their stream's watermark, against a plain list of all of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.operators.windows.deadlines import Deadlines

STREAMS = 4
streams = st.integers(0, STREAMS - 1)
ADDED = st.tuples(st.just("add"), st.lists(st.tuples(streams, st.integers(-50, 50)), max_size=6))
PASSED = st.tuples(
    st.just("passed"), st.dictionaries(streams, st.integers(-60, 90)).map(lambda d: list(d.items()))
)


@given(st.integers(0, 30), st.lists(ADDED | PASSED, max_size=30))
def test_a_window_is_given_once_when_its_watermark_is_there(
    after: int, steps: list[tuple[str, list[tuple[int, int]]]]
) -> None:
    deadlines = Deadlines(after)
    waiting: dict[int, tuple[int, int]] = {}
    known = number = 0
    for what, pairs in steps:
        which, times = np.array(pairs, np.int64).reshape(-1, 2).T
        known = max(known, *(stream + 1 for stream, _ in pairs), 0)
        deadlines.know(known)
        if what == "add":
            new = range(number, number + len(pairs))
            deadlines.add(which, times, new)
            waiting |= dict(zip(new, pairs, strict=True))
            number += len(pairs)
        else:
            reached = {
                one
                for one, (stream, start) in waiting.items()
                if (level := dict(pairs).get(stream)) is not None and start + after <= level
            }
            found = deadlines.passed(which, times)
            assert sorted(found) == sorted(reached)
            for one in reached:
                del waiting[one]
        for stream in range(STREAMS):
            mine = [(start, one) for one, (at, start) in waiting.items() if at == stream]
            assert deadlines.of(stream) == [one for _, one in sorted(mine)]
