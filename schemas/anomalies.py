"""What Python sees of anomaly scores; times are microseconds since 1970-01-01 UTC."""

from dataclasses import dataclass

from schemas.records import Version


@dataclass(frozen=True, slots=True)
class AnomalyScore:
    """How unlike its normal an asset was; `anomaly_score.avsc` gives each field's meaning.

    `version` is set by the host that publishes; None until then.
    """

    asset: str
    source: str
    time: int
    detector: str
    parameters: str
    watermark: int
    revision: int
    state: str
    learning: str
    score: float
    p_value: float
    alarm: bool
    alarm_since: int | None
    threshold: float
    statistics: tuple[str, ...]
    values: tuple[float, ...]
    tags: tuple[str, ...]
    contributions: tuple[float, ...]
    missing: tuple[str, ...]
    version: Version | None = None
