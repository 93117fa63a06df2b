"""Any value of any type, written in any order, is read back. Written here byte by byte."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.registers import FORMATS, ORDERS, Layout, encoding

VALUES = {
    **{
        f"{sign}int{bits}": st.integers(
            0 if sign else -(1 << bits - 1), (1 << bits) - 1 if sign else (1 << bits - 1) - 1
        )
        for sign in ("", "u")
        for bits in (16, 32, 64)
    },
    "float32": st.floats(width=32),
    "float64": st.floats(),
}


def wire(value: float, type_: str, order: str) -> list[int]:
    """The registers as a device sends them: the letters of an order say which byte comes when."""
    plain = list(struct.pack(f">{FORMATS[type_]}", value))
    words = [plain[at : at + 2] for at in range(0, len(plain), 2)]
    if order in {"CDAB", "DCBA"}:
        words.reverse()
    if order in {"BADC", "DCBA"}:
        words = [word[::-1] for word in words]
    return [high << 8 | low for high, low in words]


def test_the_orders_are_those_of_their_names() -> None:
    assert wire(0x0A0B0C0D, "uint32", "ABCD") == [0x0A0B, 0x0C0D]
    assert wire(0x0A0B0C0D, "uint32", "CDAB") == [0x0C0D, 0x0A0B]
    assert wire(0x0A0B0C0D, "uint32", "BADC") == [0x0B0A, 0x0D0C]
    assert wire(0x0A0B0C0D, "uint32", "DCBA") == [0x0D0C, 0x0B0A]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("type_", sorted(FORMATS))
@given(data=st.data(), lead=st.integers(0, 3))
def test_numbers(type_: str, order: str, data: st.DataObject, lead: int) -> None:
    value = data.draw(VALUES[type_])
    how = encoding(type_, order)  # type: ignore[arg-type]  # parametrised from the literals
    registers = wire(value, type_, order)
    assert how.width == len(registers)
    (read,) = Layout([(lead, how)]).unpack([0xFFFF] * lead + registers + [0xFFFF])
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(
    st.integers(0, 0xFFFF), st.integers(0, 15), st.sampled_from(ORDERS), st.integers(0, 2)
)  # fmt: skip
def test_bits(word: int, bit: int, order: str, lead: int) -> None:
    how = encoding("bit", order, bit)  # type: ignore[arg-type]
    register = word if order in {"ABCD", "CDAB"} else (word & 0xFF) << 8 | word >> 8
    (raw,) = Layout([(lead, how)]).unpack([0] * lead + [register])
    assert how.finish is not None
    assert how.finish(raw) is bool(word & 1 << bit)


@given(st.text(st.characters(codec="ascii", exclude_characters="\0 "), max_size=12), st.booleans())
def test_strings(text: str, swapped: bool) -> None:
    length = max(len(text), 1)
    how = encoding(f"string:{length}", "BADC" if swapped else "ABCD")
    padded = text.encode().ljust(how.width * 2, b"\0")
    registers = list(struct.unpack(f"{'<' if swapped else '>'}{how.width}H", padded))
    (raw,) = Layout([(0, how)]).unpack(registers)
    assert how.finish is not None
    assert how.finish(raw) == text


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.sampled_from(sorted(FORMATS)), st.sampled_from(ORDERS)
        ),
        max_size=12,
    ),
    st.binary(min_size=48, max_size=48),
)  # fmt: skip
def test_values_read_together_equal_values_read_alone(
    fields: list[tuple[int, str, str]], content: bytes
) -> None:
    registers = list(struct.unpack(">24H", content))
    placed = [(at, encoding(type_, order)) for at, type_, order in fields]  # type: ignore[arg-type]
    together = Layout(placed).unpack(registers)
    alone = [Layout([field]).unpack(registers)[0] for field in placed]
    assert list(map(repr, together)) == list(map(repr, alone))
