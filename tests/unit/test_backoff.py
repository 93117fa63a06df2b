"""Waits grow to a bound, are spread, and begin anew."""

from random import Random

import pytest

from penstock.runtime.backoff import Backoff


def test_waits_double_up_to_the_bound_and_keep_half_of_their_span() -> None:
    backoff = Backoff(first=0.25, most=5.0, rng=Random(7))
    spans = [0.25, 0.5, 1.0, 2.0, 4.0, *[5.0] * 100]
    for span in spans:
        assert span / 2 <= backoff.next() <= span


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(rng=Random(7))
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= backoff.first


def test_two_that_fail_together_do_not_come_back_together() -> None:
    one, other = Backoff(rng=Random(1)), Backoff(rng=Random(2))
    assert [one.next() for _ in range(8)] != [other.next() for _ in range(8)]


def test_a_seed_repeats_the_waits() -> None:
    one, other = Backoff(rng=Random(1)), Backoff(rng=Random(1))
    assert [one.next() for _ in range(8)] == pytest.approx([other.next() for _ in range(8)])
