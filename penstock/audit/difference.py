"""What does not agree, and where; and runs of offsets, as people read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SHOWN: Final = 8
"""Runs of offsets that are named one by one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two figures that should be the same."""

    where: str
    """Processor, table or file, with the partition."""
    what: str
    """In a sentence."""
    expected: int
    found: int


def compare(where: str, what: str, expected: int, found: int) -> list[Difference]:
    """A difference, or none."""
    return [] if expected == found else [Difference(where, what, expected, found)]


def runs(offsets: Sequence[int] | NDArray[Any]) -> str:
    """Offsets, ascending, as runs.

    >>> runs([1, 2, 3, 7])
    '1–3, 7'
    """
    numbers = np.asarray(offsets, np.int64).tolist()
    found = []
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [offset for _, offset in group]
        found.append(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}")
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more runs" if more > 0 else "")
