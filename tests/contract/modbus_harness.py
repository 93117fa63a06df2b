"""A real Modbus server, built on pymodbus, that keeps what arrives."""

import struct
from pathlib import Path

from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness
from pymodbus import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from connectors.modbus import ModbusConnector
from penstock.settings.tags import Tag

READS = {1, 2, 3, 4, 0x2B}
TAGS = {
    "temperature": ("1/40001", "float32"),
    "running": ("1/00005", "bit"),
    "lot": ("1/40011", "string:8"),
    MISSING_TAG: ("1/40020", "uint16"),
}


class ModbusHarness(Harness):
    """Holding registers 0 to 14 (from 0) and coils 0 to 15; all else is an illegal address."""

    component = ModbusConnector
    framing = "tcp"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requests: list[ModbusPDU] = []
        self.server: ModbusTcpServer | None = None

    async def start(self) -> None:
        unused = [SimData(0, count=16, values=0, datatype=DataType.REGISTERS)]
        coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        holding = [SimData(0, count=15, values=0, datatype=DataType.REGISTERS)]
        self.server = ModbusTcpServer(
            SimDevice(id=1, simdata=(coils, list(coils), holding, unused)),
            framer=FramerType.SOCKET if self.framing == "tcp" else FramerType.RTU,
            address=("127.0.0.1", self.port),
            trace_pdu=self._note,
        )
        await self.server.serve_forever(background=True)
        for tag, value in GOOD_TAGS.items():
            await self.set_value(tag, value)

    async def kill(self) -> None:
        if self.server:
            server, self.server = self.server, None
            for link in list(server.active_connections.values()):
                if link.transport is not None:  # none while it is being closed
                    link.transport.abort()
            await server.shutdown()

    async def set_value(self, tag: str, value: float | bool | str) -> None:
        assert self.server
        if isinstance(value, bool):
            await self.server.async_setValues(1, 5, 4, [value])
        elif isinstance(value, str):
            registers = struct.unpack(">4H", value.encode().ljust(8, b"\0"))
            await self.server.async_setValues(1, 16, 10, list(registers))
        else:
            registers = struct.unpack(">2H", struct.pack(">f", value))
            await self.server.async_setValues(1, 16, 0, list(registers))

    def connector(self, *, port: int | None = None) -> ModbusConnector:
        settings = ModbusConnector.Settings.model_validate(
            {
                "type": "modbus",
                "host": "127.0.0.1",
                "port": port or self.port,
                "framing": self.framing,
                "poll": "50 ms",
                "limits": {"timeout": "2 s"},
                "tags": "tags.csv",
            }
        )
        tags = [
            Tag(asset=ASSET, tag=tag, address=address, type=type_)
            for tag, (address, type_) in TAGS.items()
        ]
        return ModbusConnector("plc", settings, tags)

    def writes(self) -> list[str]:
        return [str(pdu) for pdu in self.requests if pdu.function_code not in READS]

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not sending:
            self.requests.append(pdu)
        return pdu


HARNESS = ModbusHarness
