"""Modbus addresses and register contents: pure functions, no connection.

**Addresses** are `unit/address`, with a `.bit` behind the address for one bit of a register (0 is
the least significant). How the address is written depends on the setting `addressing`:

| table | function | `modicon` (first = 1) | `zero-based` (first = 0) |
|---|---|---|---|
| coil | 1 | `1/00001` or `1/000001` | `1/co:0` |
| discrete input | 2 | `1/10001` or `1/100001` | `1/di:0` |
| holding register | 3 | `1/40001` or `1/400001` | `1/hr:0` or `1/0` |
| input register | 4 | `1/30001` or `1/300001` | `1/ir:0` |

**Order** says how the bytes ABCD of a 32-bit value, A the most significant, come over the wire:

| order | 32 bits | 64 bits | |
|---|---|---|---|
| ABCD | AB CD | AB CD EF GH | as the standard does with 16 bits |
| CDAB | CD AB | GH EF CD AB | least significant word first |
| BADC | BA DC | BA DC FE HG | bytes swapped in each word |
| DCBA | DC BA | HG FE DC BA | least significant byte first |

Within a single register (16 bits, a bit, a string) only the order of its two bytes matters.
"""

import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from penstock.quality import BAD_DATA_ENCODING_INVALID, BAD_OUT_OF_RANGE, GOOD

Addressing = Literal["modicon", "zero-based"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
ORDERS: Final[tuple[Order, ...]] = ("ABCD", "CDAB", "BADC", "DCBA")
FORMATS: Final = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
TYPES: Final = (*FORMATS, "bit", "string:N")
LAST_ADDRESS: Final = 65535
LAST_UNIT: Final = 255
LAST_BIT: Final = 15


class Table(IntEnum):
    """The four tables of a Modbus device, by the function code that reads them."""

    COILS = 1
    DISCRETE_INPUTS = 2
    HOLDING_REGISTERS = 3
    INPUT_REGISTERS = 4

    @property
    def of_bits(self) -> bool:
        """Whether an address of the table is one bit, not a register."""
        return self <= Table.DISCRETE_INPUTS


MODICON: Final = {
    "0": Table.COILS,
    "1": Table.DISCRETE_INPUTS,
    "3": Table.INPUT_REGISTERS,
    "4": Table.HOLDING_REGISTERS,
}
PREFIXES: Final = {
    "co": Table.COILS,
    "di": Table.DISCRETE_INPUTS,
    "hr": Table.HOLDING_REGISTERS,
    "ir": Table.INPUT_REGISTERS,
}


class Place(NamedTuple):
    """Where a value begins, counted from 0 as on the wire."""

    unit: int
    table: Table
    address: int
    bit: int | None = None


def parse_place(text: str, addressing: Addressing) -> Place:
    """Read `unit/address` or `unit/address.bit`.

    >>> parse_place("1/40021.3", "modicon")
    Place(unit=1, table=<Table.HOLDING_REGISTERS: 3>, address=20, bit=3)
    >>> parse_place("1/365536", "modicon")
    Place(unit=1, table=<Table.INPUT_REGISTERS: 4>, address=65535, bit=None)
    >>> parse_place("7/co:5", "zero-based")
    Place(unit=7, table=<Table.COILS: 1>, address=5, bit=None)

    Raises:
        ValueError: It is no such address; the message says how to write one.
    """
    unit, slash, rest = text.strip().partition("/")
    if not slash or not unit.isdecimal() or int(unit) > LAST_UNIT:
        msg = f"write unit/address with a unit of 0 to {LAST_UNIT}, as in 1/{rest or text}"
        raise ValueError(msg)
    number, dot, bit = rest.partition(".")
    table, address = parse_address(number, addressing)
    if dot and (table.of_bits or not bit.isdecimal() or int(bit) > LAST_BIT):
        msg = f"write a bit of a register as .0 to .{LAST_BIT}; coils and inputs have none"
        raise ValueError(msg)
    return Place(int(unit), table, address, int(bit) if dot else None)


def parse_address(text: str, addressing: Addressing) -> tuple[Table, int]:
    """Read an address without unit and bit.

    >>> parse_address("40001", "modicon"), parse_address("20", "zero-based")
    ((<Table.HOLDING_REGISTERS: 3>, 0), (<Table.HOLDING_REGISTERS: 3>, 20))

    Raises:
        ValueError: It is no such address; the message says how to write one.
    """
    if addressing == "modicon":
        match = re.fullmatch(r"([0134])(\d{4,5})", text, re.ASCII)
        if not match or not 1 <= int(match[2]) <= LAST_ADDRESS + 1:
            msg = "write five or six digits, as 40001 (or, with `addressing: zero-based`, hr:0)"
            raise ValueError(msg)
        return MODICON[match[1]], int(match[2]) - 1
    match = re.fullmatch(r"(?:(co|di|hr|ir):)?(\d{1,5})", text, re.ASCII)
    if not match or int(match[2]) > LAST_ADDRESS:
        msg = f"write hr:, ir:, co: or di: and 0 to {LAST_ADDRESS}, as hr:20"
        raise ValueError(msg)
    return PREFIXES[match[1] or "hr"], int(match[2])


class Words:
    """Registers of one answer, as bytes in both byte orders.

    Args:
        registers: Their values, each 0 to 65535.
    """

    __slots__ = ("big", "little")

    def __init__(self, registers: Sequence[int]) -> None:
        self.big = struct.pack(f">{len(registers)}H", *registers)
        """Bytes as they came over the wire."""
        self.little = struct.pack(f"<{len(registers)}H", *registers)
        """The two bytes of each register swapped."""


Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a value is read from registers.

    Args:
        width: Registers that it takes (of coils and discrete inputs: bits).
        raw: Gives the raw value that begins at a register of an answer.
    """

    width: int
    raw: Callable[[Words, int], Value]


def decoding(type_: str, order: Order = "ABCD", bit: int | None = None) -> Decoding:
    """How a value of a type, in an order, is read.

    >>> pi = [0x4049, 0x0FDB]
    >>> round(decoding("float32").raw(Words(pi), 0), 6)
    3.141593
    >>> round(decoding("float32", "CDAB").raw(Words(pi[::-1]), 0), 6)
    3.141593
    >>> decoding("bit", bit=3).raw(Words([0b1000]), 0)
    True
    >>> decoding("string:4").raw(Words([0x4C2D, 0x3137]), 0)
    'L-17'

    Of coils and discrete inputs, whose bits come as whole registers of 0 or 1, `bit` is None.

    Raises:
        ValueError: There is no such type, or the order does not fit it; the message says what does.
    """
    swapped = order in {"BADC", "CDAB"}
    if type_ == "bit":
        return _bit(bit or 0, swapped=order in {"BADC", "DCBA"})
    if match := re.fullmatch(r"string:([1-9]\d{0,2})", type_, re.ASCII):
        if order not in {"ABCD", "BADC"}:
            msg = "a string has order ABCD, or BADC where its characters are swapped in pairs"
            raise ValueError(msg)
        return _string(int(match[1]), swapped=swapped)
    if type_ not in FORMATS:
        msg = f"{type_!r} is no type: write one of {', '.join(TYPES)}"
        raise ValueError(msg)
    return _number(FORMATS[type_], order)


def _number(format_: str, order: Order) -> Decoding:
    """Numbers: both word orders of either byte order are one of the two native byte orders."""
    width = struct.calcsize(f">{format_}") // 2
    if width == 1:  # One register has no words to order, only bytes.
        order = "ABCD" if order in {"ABCD", "CDAB"} else "BADC"
    unpack = struct.Struct((">" if order in {"ABCD", "BADC"} else "<") + format_).unpack_from
    if order in {"ABCD", "DCBA"}:
        return Decoding(width, lambda words, at: unpack(words.big, at * 2)[0])
    return Decoding(width, lambda words, at: unpack(words.little, at * 2)[0])


def _bit(bit: int, *, swapped: bool) -> Decoding:
    at_byte, mask = 1 - bit // 8, 1 << bit % 8
    if swapped:
        return Decoding(1, lambda words, at: bool(words.little[at * 2 + at_byte] & mask))
    return Decoding(1, lambda words, at: bool(words.big[at * 2 + at_byte] & mask))


def _string(length: int, *, swapped: bool) -> Decoding:
    """Text ends at its length or at the first zero byte; spaces behind it are filling."""

    def raw(words: Words, at: int) -> str:
        text = (words.little if swapped else words.big)[at * 2 : at * 2 + length]
        return text.split(b"\0")[0].decode().rstrip(" ")

    return Decoding((length + 1) // 2, raw)


def scaled(value: Value, scale: float, offset: float) -> tuple[Value, int]:
    """A raw value in its unit, and its quality. Numbers that are not finite are kept and flagged.

    >>> scaled(215, 0.5, 10.0), scaled(True, 1.0, 0.0), scaled("L-17", 1.0, 0.0)
    ((117.5, 0), (True, 0), ('L-17', 0))
    >>> scaled(math.inf, 1.0, 0.0)
    (inf, -2143551488)
    """
    if isinstance(value, bool | str):
        return value, GOOD
    number = value * scale + offset
    return (number, GOOD) if math.isfinite(number) else (number, BAD_OUT_OF_RANGE)


def decode(how: Decoding, words: Words, at: int, scale: float, offset: float) -> tuple[Value, int]:
    """The value, in its unit, that begins at a register of an answer, and its quality.

    >>> decode(decoding("string:2"), Words([0xFFFE]), 0, 1.0, 0.0)
    (nan, -2143813632)
    """
    try:
        return scaled(how.raw(words, at), scale, offset)
    except UnicodeDecodeError:
        return math.nan, BAD_DATA_ENCODING_INVALID
