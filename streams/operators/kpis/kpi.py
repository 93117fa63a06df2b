"""What a KPI is: a named figure computed from an account; a new one costs one file.

    KPIS = (Kpi("air_per_piece", "Air per piece", "…", "l", lambda account: …),)

An entry point in the group `penstock.kpis` names the tuple; `docs/reference/kpis.md` and every
`KpiWindow` take it up.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.operators.kpis.account import Account
from streams.operators.kpis.terms import TERMS


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure.

    Args:
        name: Its key in `KpiWindow.kpis`.
        title: As people say.
        formula: In the terms of ISO 22400-2.
        unit: Empty for a ratio, 0 to 1 and above.
        compute: The figure of an account; NaN where it cannot be computed, never clipped.
        kinds: Kinds of windows that have it; empty: all but `rolling`.
        note: What else one must know.
        terms: Keys of `TERMS` that must be known, and be above 0 where a / stands before them.
    """

    name: str
    title: str
    formula: str
    unit: str
    compute: Callable[[Account], float]
    kinds: tuple[str, ...] = ()
    note: str = ""
    terms: tuple[str, ...] = ()

    def belongs_to(self, kind: str) -> bool:
        """Whether windows of a kind have it."""
        return kind in self.kinds if self.kinds else kind != "rolling"

    def unknown(self, record: Mapping[str, Any]) -> str:
        """Why a published record (`KpiWindow`) has no figure, in words."""
        account = Account.published(record)
        for term in self.terms:
            name = term.removeprefix("/")
            if found := TERMS[name].lacks(account, divides=name != term):
                return found
        return f"{self.formula} cannot be computed"


def ratio(part: float, whole: float) -> float:
    """A quotient; NaN where there is nothing to divide by.

    >>> ratio(1.0, 4.0), ratio(1.0, 0.0)
    (0.25, nan)
    """
    return part / whole if whole > 0 else math.nan
