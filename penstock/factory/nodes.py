"""How a machine lies in the OPC UA server's address space.

A machine is an object, its tags are its variables: `nsu=urn:acme:press;s=press01.GoodCount`.
Orders are strings, counters UInt32, states Int32; sensors are alternately Double and Float.
"""

from collections.abc import Sequence
from typing import Final

from penstock.factory.layout import NAMESPACE, Place
from penstock.factory.machine import FIELDS, Machine, Reading
from penstock.settings.tags import Role

_COUNTERS: Final = (Role.GOOD, Role.SCRAP, Role.TOTAL)
Value = float | int | str


def identifier(place: Place, tag: str) -> str:
    """The string identifier of a tag's node."""
    return f"{place.name}.{tag}"


def address(place: Place, tag: str) -> str:
    """A tag's node id by namespace URI, as tag lists write it."""
    return f"nsu={NAMESPACE};s={identifier(place, tag)}"


def is_float(sensor: int) -> bool:
    """Whether a machine's n-th sensor is a Float rather than a Double."""
    return sensor % 2 == 1


def types(machine: Machine) -> list[str]:
    """The types of a machine's variables: those of `FIELDS`, then the sensors."""
    fields = [
        "String" if field.text else ("UInt32" if field.role in _COUNTERS else "Int32")
        for field in FIELDS
    ]
    count = len(machine.sensors.signals)
    return [*fields, *("Float" if is_float(sensor) else "Double" for sensor in range(count))]


def values(reading: Reading, steps: Sequence[float]) -> list[Value]:
    """A reading as the server's variables hold it; `steps` are the sensors' steps per unit."""
    sensors = [round(raw) / step for raw, step in zip(reading.steps.tolist(), steps, strict=True)]
    return [*reading.fields, *sensors]
