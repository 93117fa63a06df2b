"""By how much a counter of pieces went up between two readings, and what is doubtful about it.

A counter may roll over at its maximum, be reset to zero, or be set to any value. Which it was is
decided by the maximum and by the plausible rate: no machine makes more pieces than `plausible_rate`
times what its planned run time per unit allows. Without a planned run time any rise is plausible,
and a rollover is one that lost less than half of the range.
"""

import math
from typing import Final, NamedTuple

ROLLOVER: Final = "rolled over"
RESET: Final = "was reset"
JUMP: Final = "jumped: not counted"
SLACK: Final = 2.0
"""Pieces that are plausible however short the time was."""


class Rise(NamedTuple):
    """Pieces, and what is doubtful; empty: nothing."""

    pieces: float
    doubt: str = ""


def most_plausible(elapsed: int, run_time: float | None, rate: float) -> float:
    """The most pieces that can be made in a time, microseconds.

    >>> most_plausible(10_000_000, 0.5, 3.0), most_plausible(1, None, 3.0)
    (62.0, inf)
    """
    return math.inf if run_time is None else SLACK + rate * elapsed / 1e6 / run_time


def rise(before: float, value: float, maximum: float | None, most: float) -> Rise:
    """By how much a counter went up.

    Args:
        before: The reading before.
        value: This one.
        maximum: Where the counter rolls over, None if it does not.
        most: As `most_plausible` gives it.

    >>> rise(7, 9, None, 5)
    Rise(pieces=2, doubt='')
    >>> rise(65530, 4, 65535, 20), rise(500, 3, 65535, 20)
    (Rise(pieces=10, doubt='rolled over'), Rise(pieces=3, doubt='was reset'))
    >>> rise(0, 500, None, 20)
    Rise(pieces=0.0, doubt='jumped: not counted')
    """
    if value >= before:
        more = value - before
        return Rise(more) if more <= most else Rise(0.0, JUMP)
    if maximum is not None:
        rolled = maximum - before + 1 + value
        if 0 <= rolled <= min(most, maximum / 2):
            return Rise(rolled, ROLLOVER)
    return Rise(value, RESET) if 0 <= value <= most else Rise(0.0, JUMP)
