"""The section of the configuration of a Modbus source."""

from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.modbus.plan import ClockPlace
from connectors.modbus.registers import Addressing, Order, encoding, parse_address
from penstock.connector import SourceSettings
from penstock.settings.model import Model
from penstock.units import Duration, PositiveDuration, microseconds, parse_duration


class Limits(Model):
    """What the device can take."""

    connections: int = Field(1, ge=1, le=16, description="TCP connections used at once.")
    registers_per_read: int = Field(
        100, ge=1, le=125, description="Registers in one request; of coils, 16 times as many."
    )
    gap: int = Field(
        8, ge=0, le=124, description="Registers between two tags that are read along, not around."
    )
    pause: Duration = Field(
        parse_duration("0 ms"), description="Rest between an answer and the next request."
    )
    timeout: PositiveDuration = Field(
        parse_duration("1 s"), description="How long to wait for a connection or an answer."
    )


class DeviceClock(Model):
    """A time stamp that the device keeps in registers, since 1970-01-01 UTC."""

    address: str = Field(
        description="Where it is in every unit, without the unit.", examples=["40001"]
    )
    type: Literal["int32", "uint32", "int64", "uint64"] = Field(
        "uint64", description="Type of the time stamp."
    )
    order: Order = Field("ABCD", description="Word and byte order of the time stamp.")
    resolution: Duration = Field(parse_duration("1 us"), description="What it counts in.")


class ModbusSettings(SourceSettings):
    """A Modbus device or gateway."""

    host: str = Field(
        min_length=1,
        description="Name or IP address of the device or gateway.",
        examples=["192.168.0.17"],
    )
    port: int = Field(502, ge=1, le=65535, description="TCP port of the device or gateway.")
    framing: Literal["tcp", "rtu-over-tcp"] = Field(
        "tcp", description="Frames of Modbus/TCP, or those of a serial line carried over TCP."
    )
    addressing: Addressing = Field(
        "modicon", description="How tags write addresses: 40001, or hr:0 for the same register."
    )
    poll: PositiveDuration = Field(
        parse_duration("1 s"), description="Time between two reads of tags that name none."
    )
    limits: Limits = Field(Limits(), description="What the device can take.")
    clock: DeviceClock | None = Field(
        None, description="The device's own time stamp, which becomes its samples' source time."
    )

    @model_validator(mode="after")
    def _judge_clock(self) -> Self:
        if self.clock:
            table, _ = parse_address(self.clock.address, self.addressing)
            if table.of_bits or not self.clock.resolution:
                msg = "a clock's time stamp is kept in registers and has a resolution above 0"
                raise ValueError(msg)
        return self

    def clock_place(self) -> ClockPlace | None:
        """Where the device's clock is, and how it is read."""
        if not self.clock:
            return None
        table, address = parse_address(self.clock.address, self.addressing)
        how = encoding(self.clock.type, self.clock.order)
        return ClockPlace(table, address, how, microseconds(self.clock.resolution))
