"""Answers with registers, decoded at once: pymodbus unpacks register by register.

With 60 registers that is a fifth of what a request costs; bench/modbus.py shows it.
"""

import sys
from array import array
from typing import Final

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

_SWAPPED: Final = sys.byteorder == "little"


def words(data: bytes) -> "array[int]":
    """Registers as an answer holds them.

    >>> words(bytes([1, 2, 3, 4])).tolist()
    [258, 772]

    Raises:
        ValueError: It is half a register.
    """
    found = array("H", data)
    if _SWAPPED:
        found.byteswap()
    return found


def _decode(pdu: ModbusPDU, data: bytes) -> None:
    if data[0] >= len(data):
        msg = f"{data[0]} bytes promised, {len(data) - 1} there"
        raise ValueError(msg)
    pdu.registers = words(data[1 : data[0] + 1])


class RawHoldingRegisters(ReadHoldingRegistersResponse):
    """Holding registers as an array."""

    def decode(self, data: bytes) -> None:
        """Take the registers."""
        _decode(self, data)

    def __str__(self) -> str:
        """Short: pymodbus makes this text of every answer, for a log that nobody keeps."""
        return "holding registers"


class RawInputRegisters(ReadInputRegistersResponse):
    """Input registers as an array."""

    def decode(self, data: bytes) -> None:
        """Take the registers."""
        _decode(self, data)

    def __str__(self) -> str:
        """Short, as above."""
        return "input registers"
