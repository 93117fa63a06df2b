"""What scores and windows say of conditions."""

import math
from typing import Final

from schemas import AnomalyScore
from streams.operators.alerting.conditions import Observation
from streams.operators.alerting.history import SignalWindow
from streams.operators.alerting.parameters import AlertParameters

SILENT: Final = "silent/"
"""How the causes begin that say that a source gives nothing."""
_WHOLE: Final = ("ok", "alarm")
_SCORED: Final = (*_WHOLE, "incomplete")
"""States of a score; an incomplete one is of the tags that are there."""
_MUCH: Final = 0.5
"""Coverage of a tag's window from which on its source is held to be back."""
_GRAVE: Final = 0.1
"""A p-value below this share of the threshold is of high severity."""


def look(record: AnomalyScore | SignalWindow, parameters: AlertParameters) -> Observation | None:
    """What a record says; None: nothing."""
    if isinstance(record, AnomalyScore):
        return _anomaly(record, parameters)
    return _silence(record)


def _anomaly(score: AnomalyScore, parameters: AlertParameters) -> Observation:
    holds: bool | None = None
    if score.state in _SCORED and not math.isnan(score.p_value):
        if score.alarm:
            holds = True
        elif score.state not in _WHOLE:
            holds = None  # what is missing may be what was abnormal
        elif score.p_value >= min(1.0, parameters.deadband * score.threshold):
            holds = False
    name = score.asset.rpartition("/")[2]
    source = f"/{score.source}" if score.source else ""
    return Observation(
        asset=score.asset,
        cause=f"anomaly/{score.detector}{source}",
        time=score.time,
        holds=holds,
        value=score.p_value,
        limit=score.threshold,
        severity="high" if score.p_value < _GRAVE * score.threshold else "medium",
        message=f"{name} does not behave as it normally does",
        since=score.alarm_since,
        tags=score.tags,
        shares=score.contributions,
    )


def _silence(window: SignalWindow) -> Observation | None:
    if not window.tags:  # The window was taken back.
        return None
    best = max(window.coverages)
    name = window.asset.rpartition("/")[2]
    return Observation(
        asset=window.asset,
        cause=f"{SILENT}{window.source}",
        time=window.start + window.size,
        holds=True if best <= 0 else False if best >= _MUCH else None,
        value=best,
        limit=0.0,
        severity="high",
        message=f"no good values of {name} come from {window.source}",
        since=window.start,
    )
