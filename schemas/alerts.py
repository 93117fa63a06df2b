"""What Python sees of the records about alerts; times are microseconds since 1970-01-01 UTC."""

from dataclasses import dataclass
from enum import StrEnum


class AlertState(StrEnum):
    """How far an alert has come."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an alert was raised: K tags over N times.

    Shapes: `tags`, `shares` (K), `times`, `values` (N), `signals` (K × N, flat, tag by tag).
    """

    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    times: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    signals: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands; `alert.avsc` gives each field's meaning."""

    id: str
    asset: str
    cause: str
    severity: str
    state: AlertState
    message: str
    onset: int
    raised: int
    value: float
    limit: float
    evidence: Evidence
    watermark: int
    revision: int = 1
    acknowledged: int | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    cleared: int | None = None
    shelved_until: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person's word that an alert was seen; of one alert the earliest counts."""

    time: int
    by: str
    alert: str
    asset: str
    note: str | None = None
