"""Failures of a unit, and what is said of them.

`mtbf` gives the three common point estimates, `power_law` the growth model of MIL-HDBK-189 (Crow,
AMSAA), as the NIST/SEMATECH handbook of statistical methods has them (8.4.5.2, 8.1.7.2).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from schemas import FailureTime

Divisor = Literal["failures", "to_last", "between"]


def merged(failures: Iterable[FailureTime], within: int) -> list[FailureTime]:
    """Failures in order of time, those that begin within a time after the one before as one."""
    found: list[FailureTime] = []
    for one in sorted(failures):
        if found and one.begin - found[-1].end <= within:
            found[-1] = FailureTime(found[-1].begin, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found


def mtbf(times: Sequence[float], observed: float, divisor: Divisor = "failures") -> float:
    """Mean time between failures; NaN without failures, not infinity.

    Args:
        times: When it failed, in operating time, ascending.
        observed: Operating time that was observed.
        divisor: `failures`: all observed time by the failures, the time since the last one being
            censored; `to_last`: the time to the last failure by the failures; `between`: the time
            from the first to the last by the intervals.

    >>> mtbf([2.0, 4.0], 10.0), mtbf([2.0, 4.0], 10.0, "to_last"), mtbf([], 10.0)
    (5.0, 2.0, nan)
    """
    count = len(times)
    if divisor == "failures":
        return observed / count if count else math.nan
    if divisor == "to_last":
        return times[-1] / count if count else math.nan
    return (times[-1] - times[0]) / (count - 1) if count > 1 else math.nan


class PowerLaw(NamedTuple):
    """Expected failures by a time t are a · t^`exponent`: below 1, failures get rarer."""

    exponent: float
    mtbf: float
    """At the end of the time observed."""


def power_law(times: Sequence[float], observed: float) -> PowerLaw:
    """Fit a power law to failures, observed for a fixed time; two of them at least.

    The exponent is the modified (nearly unbiased) maximum likelihood estimate.
    """
    count = len(times)
    exponent = (count - 1) / math.fsum(math.log(observed / time) for time in times)
    return PowerLaw(exponent, observed / (count * exponent))


def power_law_bounds(law: PowerLaw, count: int, z: float) -> tuple[float, float]:
    """Approximate two-sided confidence bounds of a power law's MTBF, by the NIST handbook.

    Args:
        law: As `power_law` fitted it.
        count: How many failures there were.
        z: Quantile of the standard normal distribution, for 80 % confidence 1.28155.
    """
    spread = count * z * z / 2
    low = count + z * z / 4 + math.sqrt(spread + z**4 / 16)
    high = count - math.sqrt(spread)
    scale = law.mtbf * count * (count - 1)
    return scale / low**2, scale / high**2 if high > 0 else math.inf
