"""The terms of KPIs, and in words why one is 0 or not known."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from penstock.shifts import PLANNED
from streams.operators.kpis.account import Account
from streams.operators.production.elements import UNKNOWN

_NO_COUNTER: Final = "no counter tells what was made"
_NO_RUN_TIME: Final = "what was made is not known, or a product of it has no planned run time (PRU)"


@dataclass(frozen=True, slots=True)
class Term:
    """A term.

    Args:
        value: Of an account; NaN where it is not known.
        nothing: What it means that it is 0.
        unknown: Why it is not known.
    """

    value: Callable[[Account], float]
    nothing: str | Callable[[Account], str]
    unknown: str = ""

    def lacks(self, account: Account, *, divides: bool) -> str:
        """Why nothing can be computed with it, in words; empty: something can."""
        value = self.value(account)
        if math.isnan(value):
            return self.unknown
        if value > 0 or not divides:
            return ""
        return self.nothing if isinstance(self.nothing, str) else self.nothing(account)


def _no_busy_time(account: Account) -> str:
    planned = {element for (element, how), time in account.times.items() if how == PLANNED and time}
    if planned == {UNKNOWN}:
        return "of no planned time the state is known"
    if UNKNOWN in planned:
        return "all planned time whose state is known was without an order"
    return "all planned time was without an order" if planned else "no time was planned"


def _as_far_as_known(words: str) -> Callable[[Account], str]:
    def told(account: Account) -> str:
        known = account.seconds([UNKNOWN]) == 0
        return words if known else f"in the time whose state is known {words}"

    return told


TERMS: Final[Mapping[str, Term]] = {
    "PBT": Term(lambda a: a.pbt, _no_busy_time),
    "APT": Term(lambda a: a.apt, _as_far_as_known("it did not produce")),
    "APT + ADET": Term(
        lambda a: a.apt + a.adet, _as_far_as_known("it neither produced nor was delayed")
    ),
    "APT + minor stops": Term(lambda a: a.apt + a.minor, _as_far_as_known("it did not produce")),
    "AUPT": Term(lambda a: a.aupt, _as_far_as_known("it neither produced nor was set up")),
    "AUBT": Term(lambda a: a.aubt, _as_far_as_known("it was not busy")),
    "AOET": Term(lambda a: a.execution, "no work on the order yet", "no work on the order yet"),
    "PQ": Term(lambda a: a.produced, "nothing was produced", _NO_COUNTER),
    "GQ": Term(lambda a: a.good, "", "no counter tells what was good"),
    "SQ": Term(lambda a: a.scrap, "", "no counter tells what was scrapped"),
    "Σ PRU × PQ": Term(lambda a: a.planned_run, "nothing was produced", _NO_RUN_TIME),
    "Σ PRU × GQ": Term(lambda a: a.good_run, "nothing good was produced", _NO_RUN_TIME),
    "failures": Term(lambda a: a.failures.count, "no failure began"),
    "repairs": Term(lambda a: a.failures.repaired, "no failure ended"),
}
