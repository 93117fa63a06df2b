"""A machine's cycle does not depend on which cycles were looked at before."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.factory.layout import LINES
from penstock.factory.machine import Machine

PLACES = [place for line in LINES for place in line.places]


@settings(max_examples=40)
@given(
    place=st.sampled_from(PLACES),
    seed=st.integers(0, 2**32),
    speed=st.floats(0.1, 500.0),
    cycles=st.lists(st.integers(0, 5000), min_size=1, max_size=20),
)
def test_fast_forward_equals_running(place, seed, speed, cycles) -> None:  # type: ignore[no-untyped-def]  # hypothesis gives the arguments
    running = Machine(place, seed=seed, speed=speed)
    for cycle in sorted(cycles):
        reading = running.read(cycle)
    restarted = Machine(place, seed=seed, speed=speed).read(max(cycles))
    assert restarted.fields == reading.fields
    assert np.array_equal(restarted.steps, reading.steps)
