"""What decides how an asset's normal behaviour is learned, and when it raises an alarm."""

from typing import Final, Self

from pydantic import Field, model_validator

from penstock.settings.model import Model

RELEASE: Final = "AnomalyRelease"
"""The tag whose sample has an asset learn anew what is normal, from the sample's time on."""


class MonitorSettings(Model):
    """Learning and alarms, alike for all detectors. A row is one moment of all of a machine's tags.

    The defaults were fixed on a part of two public benchmarks: see docs/evaluation.md.
    """

    warm_up: int = Field(400, ge=20, description="Rows from which it first learns what is normal.")
    alarm_below: float = Field(
        1e-4, gt=0, lt=1, description="A row whose p-value is below this counts towards an alarm."
    )
    learn_from: float = Field(
        1e-3, gt=0, lt=1, description="A row whose p-value is below this is not learned as normal."
    )
    alarm_rows: int = Field(3, ge=1, description="So many counting rows raise an alarm …")
    of_rows: int = Field(
        5, ge=1, le=1000, description="… among so many last ones; none among them ends it."
    )
    memory: int = Field(
        4000, ge=20, description="How many learned rows count: older ones are forgotten."
    )
    absorb: float = Field(
        3.0,
        gt=0,
        description="How far a tag's normal may move in all, in standard deviations of its smoothed"
        " value, until an operator releases it.",
    )
    follow: float = Field(
        10.0,
        gt=0,
        description="How far the level of a tag that drifts is followed beyond what the warm-up"
        " saw, in ranges of the warm-up; beyond, it counts as a deviation.",
    )
    only_high: tuple[str, ...] = Field(
        (),
        description="Names of tags, without the asset, of which a value below normal is no"
        " deviation, as vibration after a repair; * is any text.",
    )
    smoothing: float = Field(
        0.15, gt=0, le=1, description="Weight of a new row in the moving mean that is scored."
    )
    drift_span: int = Field(
        50, ge=2, description="Rows over which the level of a tag that drifts is followed."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.alarm_rows > self.of_rows:
            msg = f"alarm_rows {self.alarm_rows} of {self.of_rows} cannot be: raise of_rows"
            raise ValueError(msg)
        if self.learn_from < self.alarm_below:
            msg = "learn_from is below alarm_below, so that alarms would be learned: raise it"
            raise ValueError(msg)
        for name in self.only_high:
            if ":" in name:
                msg = f"only_high {name!r} cannot be: write the tag's name without the asset"
                raise ValueError(msg)
        return self
