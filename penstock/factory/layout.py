"""Which machines stand in the factory, and which PLC serves them."""

from dataclasses import dataclass
from typing import Final, Literal

SITE: Final = "acme/bremen"
NAMESPACE: Final = "urn:acme:press"
"""Of the OPC UA server's nodes."""
SERVER_URI: Final = "urn:acme:bremen:press-plc"
CLIENT_URI: Final = "urn:acme:bremen:penstock"
"""Of the OPC UA applications at both ends, as in their certificates."""
USER: Final = "penstock"
GROUP: Final = "Bremen"
NODE: Final = "Packing"
"""Of the Sparkplug edge node."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine stands: what makes it the one machine that it is."""

    asset: str
    """ISA-95 path below the site."""
    kind: str
    line: int
    index: int
    counter_max: int = 4_294_967_295

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.asset.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of machines and the PLC that serves it.

    Pieces go from each of its `places` to the next; the `constraint` is the slowest, and good
    pieces are counted at the `output`.
    """

    plc: str
    protocol: Literal["opcua", "modbus", "mqtt"]
    path: str
    constraint: str
    output: str
    places: tuple[Place, ...]


def _places(path: str, line: int, first: int, *machines: tuple[str, str, int]) -> tuple[Place, ...]:
    return tuple(
        Place(f"{path}/{name}", kind, line, index, counter_max)
        for index, (name, kind, counter_max) in enumerate(machines, first)
    )


_UINT32: Final = 4_294_967_295

LINES: Final = (
    Line(
        plc="press_plc",
        protocol="opcua",
        path="stamping/line1",
        constraint="press01",
        output="packer01",
        places=_places(
            "stamping/line1",
            1,
            0,
            ("press01", "press", _UINT32),
            ("press02", "press", _UINT32),
            ("cnc01", "cnc", _UINT32),
            ("cnc02", "cnc", _UINT32),
            ("cnc03", "cnc", _UINT32),
            ("packer01", "packer", 9_999),
        ),
    ),
    Line(
        plc="utilities",
        protocol="modbus",
        path="filling/line2",
        constraint="filler01",
        output="palletizer01",
        places=_places(
            "filling/line2",
            2,
            100,
            ("pump01", "pump", _UINT32),
            ("pump02", "pump", _UINT32),
            ("mixer01", "mixer", _UINT32),
            ("filler01", "filler", _UINT32),
            ("palletizer01", "palletizer", 65_535),
        ),
    ),
    Line(
        plc="packing_cell",
        protocol="mqtt",
        path="packing/line3",
        constraint="packer01",
        output="palletizer01",
        places=_places(
            "packing/line3",
            3,
            200,
            ("packer01", "packer", _UINT32),
            ("packer02", "packer", _UINT32),
            ("palletizer01", "palletizer", 65_535),
        ),
    ),
)
