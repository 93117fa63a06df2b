"""Every way to read the registers at an address, the plausible ones first. Pure.

What makes a value plausible is a rule of thumb of the field: measured values are neither tiny nor
huge, have few digits, and counters are small. The reason is given with each, since only a person
with the device's display in sight can know.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from connectors.modbus.registers import FORMATS, ORDERS, Layout, Order, encoding

SMALLEST: Final = 1e-6
GREATEST: Final = 1e9
"""Beyond these, a measured value is absurd: a wrong word order shows itself so."""
_FEW_DIGITS: Final = 6
_WORD: Final = 1 << 16
_NEARLY_ALL: Final = 0xFF00
"""A 16-bit value above is likely a small negative one."""
_SHORTEST_TEXT: Final = 4


class Guess(NamedTuple):
    """One way to read an address."""

    type: str
    order: Order
    value: float | bool | str
    score: int
    """0 and below: implausible."""
    reason: str


def guesses(registers: Sequence[int]) -> list[Guess]:
    """All ways to read what begins at the first register, the most plausible first.

    >>> best = guesses([0x0000, 0x41BC, 0x0000, 0x0000])[0]
    >>> best.type, best.order, best.value
    ('float32', 'CDAB', 23.5)

    Args:
        registers: One to four, or as many as there are.
    """
    found = [*_numbers(registers), *_texts(registers)]
    return sorted(found, key=lambda guess: -guess.score)


def absurd(value: float) -> str | None:
    """Why a number cannot be a measured value; None where it may be one.

    >>> absurd(6.7e-41), absurd(23.5)
    ('is tiny (below 1e-06)', None)
    """
    if not math.isfinite(value):
        return "is no number"
    if 0 < abs(value) < SMALLEST:
        return f"is tiny (below {SMALLEST:g})"
    if abs(value) > GREATEST:
        return f"is huge (above {GREATEST:g})"
    return None


def better_order(raw: Sequence[int], type_: str, order: Order) -> Guess | None:
    """The order under which a value that is absurd as configured would be a likely one.

    Args:
        raw: The value's registers.
        type_: As configured.
        order: As configured.
    """
    value = _read(raw, type_, order)
    if not type_.startswith("float") or not absurd(value):
        return None
    others = (_judged(raw, type_, other) for other in ORDERS if other != order)
    best = max(others, key=lambda guess: guess.score)
    return best if best.score > 0 else None


def _numbers(registers: Sequence[int]) -> Iterator[Guess]:
    for type_ in FORMATS:
        width = encoding(type_).width
        if width > len(registers):
            continue
        orders: Sequence[Order] = ORDERS if width > 1 else ("ABCD", "BADC")
        for order in orders:
            yield _judged(registers[:width], type_, order)


def _read(registers: Sequence[int], type_: str, order: Order) -> Any:
    return Layout([(0, encoding(type_, order))]).unpack(registers)[0]


def _judged(registers: Sequence[int], type_: str, order: Order) -> Guess:
    value = _read(registers, type_, order)
    if type_.startswith("float"):
        score, reason = _of_float(value, type_)
    else:
        score, reason = _of_integer(value, type_)
    if not any(registers):
        score, reason = 0, "0 says nothing"
    common = {"ABCD": 3, "CDAB": 2, "BADC": 0, "DCBA": 1}[order]
    return Guess(type_, order, value, score + common if score > 0 else score, reason)


def _of_float(value: float, type_: str) -> tuple[int, str]:
    if why := absurd(value):
        return 0, why
    digits = len(_shortest(value, type_).replace("-", "").replace(".", "").strip("0"))
    if digits <= _FEW_DIGITS:
        return 90 - digits, "a measured value with few digits"
    return 70, "of a measured value's size"


def _shortest(value: float, type_: str) -> str:
    """The fewest digits that stand for the value in its type."""
    if type_ == "float64":
        return f"{value:.17g}" if float(f"{value:.6g}") != value else f"{value:.6g}"
    packed = struct.pack(">f", value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return next(text for text in texts if struct.pack(">f", float(text)) == packed)


def _of_integer(value: int, type_: str) -> tuple[int, str]:
    if type_ == "uint16":
        large = value >= _NEARLY_ALL
        return (20, "may be a small negative number") if large else (50, "as any register")
    if type_ == "int16":
        small = _NEARLY_ALL - _WORD <= value < 0
        return (52, "a small negative number") if small else (18 if value < 0 else 40, "as uint16")
    if abs(value) > GREATEST:
        return 0, f"is huge (above {GREATEST:g})"
    if abs(value) < _WORD:
        return 44, "its upper registers are 0: a counter with room to grow"
    return 30, "of a counter's size"


def _texts(registers: Sequence[int]) -> Iterator[Guess]:
    straight = struct.pack(f">{len(registers)}H", *registers)
    swapped = struct.pack(f"<{len(registers)}H", *registers)
    orders: tuple[tuple[Order, bytes], ...] = (("ABCD", straight), ("BADC", swapped))
    for order, data in orders:
        text = _text(data)
        if len(text) >= _SHORTEST_TEXT:
            length = len(text) + len(text) % 2
            yield Guess(f"string:{length}", order, text, 80 + len(text), "readable text")


def _text(data: bytes) -> str:
    """The text that bytes begin with, as ASCII; empty where they begin with none."""
    try:
        text = data.split(b"\0")[0].decode("ascii")
    except UnicodeDecodeError:
        return ""
    return text.rstrip() if text.isprintable() else ""
