"""Overall equipment effectiveness and its factors (ISO 22400-2).

OEE ≡ Σ PRU × GQ / PBT, whatever the states say: APT cancels. So availability and effectiveness are
published beside it, each for itself.
"""

import math
from typing import Final

from streams.operators.kpis.account import Account
from streams.operators.kpis.kpi import Kpi, ratio


def effectiveness(account: Account) -> float:
    """Σ PRU × PQ / APT, never clipped."""
    return ratio(account.planned_run, account.apt)


def quality_ratio(account: Account) -> float:
    """Good by produced pieces, weighted by the products' run times where these are known."""
    if math.isnan(account.planned_run):
        return ratio(account.good, account.produced)
    return ratio(account.good_run, account.planned_run)


def oee(account: Account) -> float:
    """Availability × effectiveness × quality ratio, put so that it is 0, not undefined, at rest."""
    return ratio(account.good_run, account.pbt)


def nee(account: Account) -> float:
    """As OEE, with the setup in the availability."""
    return ratio(account.aupt, account.pbt) * effectiveness(account) * quality_ratio(account)


KPIS: Final = (
    Kpi(
        "effectiveness",
        "Effectiveness",
        "Σ PRU × PQ / APT",
        "",
        effectiveness,
        terms=("/APT", "Σ PRU × PQ"),
    ),
    Kpi(
        "quality_ratio",
        "Quality ratio",
        "Σ PRU × GQ / Σ PRU × PQ",
        "",
        quality_ratio,
        note="Of one product, or without PRU: GQ / PQ.",
        terms=("GQ", "/PQ"),
    ),
    Kpi(
        "oee",
        "Overall equipment effectiveness",
        "Availability × Effectiveness × Quality ratio ≡ Σ PRU × GQ / PBT",
        "",
        oee,
        note="The same under both standards.",
        terms=("/PBT", "GQ", "Σ PRU × GQ"),
    ),
    Kpi(
        "nee",
        "Net equipment effectiveness",
        "AUPT / PBT × Effectiveness × Quality ratio",
        "",
        nee,
        terms=("/PBT", "/APT", "GQ", "/Σ PRU × PQ", "Σ PRU × GQ"),
    ),
)
