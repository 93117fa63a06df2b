"""The Modbus server again, with RTU frames over TCP."""

from modbus_harness import ModbusHarness


class ModbusRtuHarness(ModbusHarness):
    framing = "rtu-over-tcp"


HARNESS = ModbusRtuHarness
