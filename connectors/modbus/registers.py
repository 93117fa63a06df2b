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

import re
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Literal, NamedTuple

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
_LITTLE: Final = sys.byteorder == "little"
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
        given = rest or text.strip()
        example = given if given.isdecimal() else "40001"
        msg = f"write unit/address with a unit of 0 to {LAST_UNIT}, as in 1/{example}"
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
            msg = (
                "write five or six digits, of which the first names the table (0, 1, 3 or 4), "
                "as 40001 (or, with `addressing: zero-based`, hr:0)"
            )
            raise ValueError(msg)
        return MODICON[match[1]], int(match[2]) - 1
    match = re.fullmatch(r"(?:(co|di|hr|ir):)?(\d{1,5})", text, re.ASCII)
    if not match or int(match[2]) > LAST_ADDRESS:
        msg = f"write `hr:`, `ir:`, `co:` or `di:` and 0 to {LAST_ADDRESS}, as hr:20"
        raise ValueError(msg)
    return PREFIXES[match[1] or "hr"], int(match[2])


def write_place(place: Place, addressing: Addressing) -> str:
    """A place as a tag list writes it.

    >>> write_place(Place(1, Table.HOLDING_REGISTERS, 20, 3), "modicon")
    '1/40021.3'
    >>> write_place(Place(7, Table.INPUT_REGISTERS, 65535), "modicon")
    '7/365536'
    >>> write_place(Place(7, Table.COILS, 5), "zero-based")
    '7/co:5'
    """
    bit = "" if place.bit is None else f".{place.bit}"
    if addressing == "modicon":
        digit = next(digit for digit, table in MODICON.items() if table == place.table)
        return f"{place.unit}/{digit}{place.address + 1:04}{bit}"
    prefix = next(prefix for prefix, table in PREFIXES.items() if table == place.table)
    return f"{place.unit}/{prefix}:{place.address}{bit}"


Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a value is written in registers.

    Args:
        width: Registers that it takes (of coils and discrete inputs: bits).
        format: The same for `struct`.
        order: Word and byte order; of a single register, ABCD or BADC.
        finish: Makes the value of what `struct` gives, which otherwise is the value.
    """

    width: int
    format: str
    order: Order
    finish: Callable[[Any], bool | str] | None = None

    def read(self, registers: Sequence[int]) -> Any:
        """The value in as many registers as it takes."""
        (raw,) = Layout([(0, self)]).unpack(registers)
        return self.finish(raw) if self.finish else raw


def encoding(type_: str, order: Order = "ABCD", bit: int | None = None) -> Encoding:
    """How a value of a type is written.

    Args:
        type_: One of `TYPES`.
        order: Word and byte order.
        bit: Which bit of a register; None where there is only one, as with coils.

    Raises:
        ValueError: There is no such type, or the order does not fit it; the message says what does.
    """
    of_one_word: Order = "ABCD" if order in {"ABCD", "CDAB"} else "BADC"
    if type_ == "bit":
        return Encoding(1, "H", of_one_word, lambda word: bool(word >> (bit or 0) & 1))
    if match := re.fullmatch(r"string:([1-9]\d{0,2})", type_, re.ASCII):
        if order not in {"ABCD", "BADC"}:
            msg = "a string has order ABCD, or BADC where its characters are swapped in pairs"
            raise ValueError(msg)
        length = int(match[1])
        width = (length + 1) // 2
        return Encoding(width, f"{2 * width}s", order, lambda raw: _text(raw[:length]))
    if type_ not in FORMATS:
        msg = f"{type_!r} is no type: write one of {', '.join(TYPES)}"
        raise ValueError(msg)
    width = struct.calcsize(f">{FORMATS[type_]}") // 2
    return Encoding(width, FORMATS[type_], order if width > 1 else of_one_word)


def _text(raw: bytes) -> str:
    """Text ends at its length or at the first zero byte; spaces behind it are filling."""
    return raw.split(b"\0")[0].decode().rstrip(" ")


class Layout:
    """Where the values are in an answer; reads them all at once.

    Swapping the two bytes of each register turns CDAB into DCBA, and BADC into ABCD: the two orders
    that `struct` knows.

    >>> pi = [0x4049, 0x0FDB]
    >>> layout = Layout([(0, encoding("float32")), (2, encoding("float32", "CDAB"))])
    >>> [round(value, 6) for value in layout.unpack([*pi, *pi[::-1]])]
    [3.141593, 3.141593]

    Args:
        fields: Of each value, its first register in the answer, and how it is written.
    """

    def __init__(self, fields: Sequence[tuple[int, Encoding]]) -> None:
        self._size = len(fields)
        self._runs: list[_Run] = []
        for index, (at, how) in sorted(enumerate(fields), key=lambda field: field[1][0]):
            run = next((run for run in self._runs if run.takes(at, how.order)), None)
            if not run:
                run = _Run(how.order)
                self._runs.append(run)
            run.add(index, at, how)
        for run in self._runs:
            run.struct = struct.Struct(run.format)
        self._in_order = len(self._runs) == 1 and self._runs[0].indices == sorted(
            self._runs[0].indices
        )

    def unpack(self, registers: Sequence[int]) -> list[Any]:
        """The values of an answer in the order of the fields, before `finish`."""
        words = registers if isinstance(registers, array) else array("H", registers)
        if self._in_order:
            (run,) = self._runs
            return list(run.struct.unpack_from(_bytes(words, swapped=run.swapped)))
        big, little = _bytes(words, swapped=False), _bytes(words, swapped=True)
        values = [None] * self._size
        for run in self._runs:
            data = little if run.swapped else big
            for index, value in zip(run.indices, run.struct.unpack_from(data), strict=True):
                values[index] = value
        return values


def _bytes(words: "array[int]", *, swapped: bool) -> bytes:
    """Registers as they came, or with the two bytes of each swapped."""
    if swapped != _LITTLE:
        words = array("H", words)
        words.byteswap()
    return words.tobytes()


class _Run:
    """Values of one order that do not overlap, as one `struct`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.swapped = order in {"BADC", "CDAB"}
        self.format = ">" if order in {"ABCD", "BADC"} else "<"
        self.indices: list[int] = []
        self.end = 0
        self.struct = struct.Struct(self.format)

    def takes(self, at: int, order: Order) -> bool:
        return order == self.order and at >= self.end

    def add(self, index: int, at: int, how: Encoding) -> None:
        self.format += f"{2 * (at - self.end)}x{how.format}"
        self.end = at + how.width
        self.indices.append(index)
