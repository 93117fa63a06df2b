"""Availability and performance as TPM has them: minor stops are a loss of performance."""

from typing import Final

from streams.operators.kpis.account import Account
from streams.operators.kpis.kpi import Kpi, ratio


def operating(account: Account) -> float:
    """Time that TPM takes as running, seconds."""
    return account.apt + account.minor


KPIS: Final = (
    Kpi(
        "tpm_availability",
        "Availability (TPM)",
        "(APT + minor stops) / PBT",
        "",
        lambda a: ratio(operating(a), a.pbt),
        terms=("/PBT",),
    ),
    Kpi(
        "tpm_performance",
        "Performance (TPM)",
        "Σ PRU × PQ / (APT + minor stops)",
        "",
        lambda a: ratio(a.planned_run, operating(a)),
        terms=("/APT + minor stops", "Σ PRU × PQ"),
    ),
)
