"""The tag list: one CSV file per source, as OT engineers have them."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from penstock.units import Duration


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


class Tag(BaseModel):
    """One row of a tag list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    max: float | None = Field(None, description="Where a counter rolls over.")
    poll: Duration | None = Field(None, description="Time between two reads, for polled sources.")
    deadband: float | None = Field(None, description="Smaller changes are not reported.")
    role: Role = Role.SIGNAL
    description: str | None = None
    where: str = Field("", exclude=True, description="File and line, for errors.")
