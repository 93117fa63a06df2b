"""The tag list: one CSV file per source, as OT engineers have them."""

from enum import StrEnum
from typing import Final, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from penstock.settings.model import Model
from penstock.units import PositiveDuration

_TEXT_TYPES: Final = frozenset({"string", "text", "str"})


class Role(StrEnum):
    """What a tag is for."""

    SIGNAL = "signal"
    STATE = "state"
    MODE = "mode"
    GOOD = "good"
    SCRAP = "scrap"
    TOTAL = "total"
    ORDER = "order"
    PRODUCT = "product"
    REASON = "reason"


class Tag(Model):
    """One row of a tag list."""

    model_config = ConfigDict(allow_inf_nan=False)

    asset: str = Field(description="ISA-95 path below the site.")
    tag: str = Field(description="Name, unique within its asset.")
    address: str = Field(description="Where the source finds it, as its protocol writes it.")
    type: str | None = Field(
        None, description="Type in the device, where the protocol does not say."
    )
    order: str | None = Field(None, description="Word and byte order: ABCD, CDAB, BADC, DCBA.")
    scale: float = Field(1.0, description="value = raw × scale + offset")
    offset: float = 0.0
    unit: str | None = None
    low: float | None = Field(None, description="Least plausible value.")
    high: float | None = Field(None, description="Greatest plausible value.")
    max: float | None = Field(None, gt=0, description="Where a counter rolls over.")
    poll: PositiveDuration | None = Field(
        None, description="Time between two reads, for polled sources."
    )
    deadband: float | None = Field(None, ge=0, description="Smaller changes are not reported.")
    role: Role = Role.SIGNAL
    description: str | None = None
    where: str = Field("", exclude=True, description="File and line, for errors.")

    @property
    def declares_text(self) -> bool:
        """Whether its type is one of text, as `string` or, of eight characters, `string:8`."""
        return (self.type or "").lower().partition(":")[0] in _TEXT_TYPES

    @field_validator("scale")
    @classmethod
    def _scale_keeps_the_value(cls, scale: float) -> float:
        if scale == 0:
            msg = "0 makes every value the same: leave the cell empty for 1"
            raise ValueError(msg)
        return scale

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            msg = f"low {self.low:g} is not below high {self.high:g}: correct one of them"
            raise ValueError(msg)
        return self
