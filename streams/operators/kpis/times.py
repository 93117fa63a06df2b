"""How well the time was used (ISO 22400-2)."""

from typing import Final

from streams.operators.kpis.kpi import Kpi, ratio

KPIS: Final = (
    Kpi(
        "availability",
        "Availability",
        "APT / PBT",
        "",
        lambda a: ratio(a.apt, a.pbt),
        note="Setup is not in APT. Above 1 where the unit produced in planned stops.",
        terms=("/PBT",),
    ),
    Kpi(
        "technical_efficiency",
        "Technical efficiency",
        "APT / (APT + ADET)",
        "",
        lambda a: ratio(a.apt, a.apt + a.adet),
        terms=("/APT + ADET",),
    ),
    Kpi(
        "utilisation_efficiency",
        "Utilisation efficiency",
        "APT / AUBT",
        "",
        lambda a: ratio(a.apt, a.aubt),
        terms=("/AUBT",),
    ),
    Kpi(
        "allocation_efficiency",
        "Allocation efficiency",
        "AUBT / PBT",
        "",
        lambda a: ratio(a.aubt, a.pbt),
        terms=("/PBT",),
    ),
    Kpi(
        "setup_ratio",
        "Setup ratio",
        "ASUT / AUPT",
        "",
        lambda a: ratio(a.asut, a.aupt),
        terms=("/AUPT",),
    ),
)
