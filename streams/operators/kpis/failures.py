"""How long a unit runs between failures, and how long it takes to repair it."""

import math
from typing import Final

from streams.operators.kpis.account import Account
from streams.operators.kpis.kpi import Kpi

CONVENTIONS: Final = {
    "mtbf_divisor": "failures that began in the window",
    "mtbf_censoring": "the time since the last failure counts; null without a failure",
    "mttr_divisor": "failures that ended in the window; one that goes on is left out",
}


def mtbf(account: Account) -> float:
    """Setup and production time by failures."""
    count = account.failures.count
    return account.aupt / count if count else math.nan


def mttr(account: Account) -> float:
    """Mean time to repair."""
    ended = account.failures.repaired
    return account.failures.repair / ended if ended else math.nan


KPIS: Final = (
    Kpi(
        "mtbf",
        "Mean time between failures",
        "(ASUT + APT) / failures",
        "s",
        mtbf,
        kinds=("rolling",),
        note="`conventions` states divisor and censoring.",
        terms=("/failures",),
    ),
    Kpi(
        "mttr",
        "Mean time to repair",
        "Σ TTR / repairs",
        "s",
        mttr,
        kinds=("rolling",),
        terms=("/repairs",),
    ),
    Kpi(
        "failures",
        "Failures",
        "count",
        "",
        lambda a: float(a.failures.count),
        kinds=("rolling",),
        note="Restarts within `same_failure_within` are one.",
    ),
)
