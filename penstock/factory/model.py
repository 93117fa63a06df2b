"""A factory's folder: what it was built with, and where its parts are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from penstock.errors import PenstockError
from penstock.factory.layout import LINES, Line

_FILE: Final = "factory.json"
ERP: Final = "erp"
"""The name of the ERP system beside those of the PLCs."""


class FactoryError(PenstockError):
    """The simulated factory cannot be built, read or started.

    Free the ports, or choose others; the message names them.
    """

    code = "PEN-701"


@dataclass(frozen=True, slots=True)
class Factory:
    """What makes a simulated factory the one it is.

    Attributes:
        folder: Where it lives.
        seed: Of all its randomness.
        speed: Seconds of the process per second of the clock; samples carry the clock's time.
        t0: Time of cycle 0, in µs since 1970-01-01 UTC.
        opcua_port: Of the PLC of line 1.
        modbus_port: Of the PLC of line 2.
        mqtt_port: Of the broker that the edge node of line 3 publishes to.
    """

    folder: Path
    seed: int
    speed: float
    t0: int
    opcua_port: int
    modbus_port: int
    mqtt_port: int = 1883

    @property
    def plant(self) -> Path:
        """The plant's configuration, for `penstock run`."""
        return self.folder / "plant.yaml"

    @property
    def password_file(self) -> Path:
        """The OPC UA user's password."""
        return self.folder / "secrets" / "press"

    def port(self, line: Line) -> int:
        """The port on which a line's PLC, or its broker, listens."""
        ports = {"opcua": self.opcua_port, "modbus": self.modbus_port, "mqtt": self.mqtt_port}
        return ports[line.protocol]

    def url(self, line: Line) -> str:
        """Where a line's PLC is."""
        scheme = "opc.tcp" if line.protocol == "opcua" else line.protocol
        return f"{scheme}://127.0.0.1:{self.port(line)}"

    def save(self) -> None:
        """Write `factory.json`."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        (self.folder / _FILE).write_text(json.dumps(content, indent=2) + "\n")


def read_factory(folder: Path) -> Factory:
    """Read a factory that `write_factory` made.

    Raises:
        FactoryError: There is none in the folder, or its file was damaged.
    """
    path = folder / _FILE
    try:
        content = json.loads(path.read_text())
        return Factory(folder=folder, **content)
    except FileNotFoundError as error:
        msg = "there is no simulated factory"
        raise FactoryError(msg, where=str(folder), remedy="penstock simulate makes one") from error
    except (ValueError, TypeError) as error:
        msg = f"this is no factory: {error}"
        raise FactoryError(
            msg, where=str(path), remedy="remove the folder to start anew"
        ) from error


def line_of(plc: str) -> Line:
    """The line that a PLC serves.

    Raises:
        FactoryError: There is no such PLC.
    """
    for line in LINES:
        if line.plc == plc:
            return line
    msg = f"there is no PLC {plc!r}"
    raise FactoryError(msg, remedy=f"one of {', '.join(line.plc for line in LINES)}")
