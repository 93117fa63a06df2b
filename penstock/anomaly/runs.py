"""How long each tag has shown the very same value, to tell a sensor that froze from one at rest."""

from typing import Final

import numpy as np

from penstock.detector import Floats

_TIMES: Final = 4
"""Longer than in the warm-up by this factor: frozen."""
_LEAST: Final = 50
"""Rows; no shorter run is held against a tag."""


class Runs:
    """Runs of equal values of an asset's tags (D, growing), row by row.

    Attributes:
        moved: (D) whether the tag has ever changed.
    """

    def __init__(self) -> None:
        self.last = np.zeros(0)
        self.run = np.zeros(0)
        self.longest = np.zeros(0)
        self.moved = np.zeros(0, np.bool_)

    def take(self, values: Floats, *, judge: bool) -> Floats:
        """The next row (D) without what is frozen, which becomes NaN; `judge`: whether to."""
        if len(values) > len(self.last):
            self._widen(len(values))
        there = np.isfinite(values)
        same = there & (values == self.last)
        self.moved |= there & np.isfinite(self.last) & ~same
        self.run = np.where(same, self.run + 1, np.where(there, 0.0, self.run))
        self.last = np.where(there, values, self.last)
        if not judge:
            return values
        frozen = (self.longest > 0) & (self.run > np.maximum(_TIMES * self.longest, _LEAST))
        return np.where(frozen, np.nan, values)

    def pause(self) -> None:
        """A machine that stands shows the same value for long: begin anew."""
        self.run[:] = 0

    def fit(self, rows: Floats) -> None:
        """Learn from warm-up rows (N, D) how long runs may be; of a tag that never changes, any."""
        longest, run = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        for same in rows[1:] == rows[:-1]:
            run = np.where(same, run + 1, 0)
            longest = np.maximum(longest, run)
        never = longest == len(rows) - 1
        self.longest[: len(longest)] = np.where(never, 0, np.maximum(longest, 1))
        self.moved[:] = False

    def _widen(self, width: int) -> None:
        more = width - len(self.last)
        self.last = np.append(self.last, np.full(more, np.nan))
        self.run = np.append(self.run, np.zeros(more))
        self.longest = np.append(self.longest, np.zeros(more))
        self.moved = np.append(self.moved, np.zeros(more, np.bool_))
