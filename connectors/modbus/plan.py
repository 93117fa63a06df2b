"""Which Modbus requests read which tags: neighbouring registers share one. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from connectors.modbus.registers import (
    ORDERS,
    Addressing,
    Encoding,
    Place,
    Table,
    encoding,
    parse_place,
)
from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag

BITS_PER_REGISTER: Final = 16
MOST_BITS: Final = 2000
"""Bits that one request may ask for, by the standard."""


class Item(NamedTuple):
    """A tag, where it is, and how it is read."""

    tag: Tag
    place: Place
    how: Encoding

    @property
    def end(self) -> int:
        """The first address behind the value."""
        return self.place.address + self.how.width


def locate(tag: Tag, addressing: Addressing, most: int) -> Item:
    """Where a tag is and how it is read.

    Args:
        tag: Of it, address, type, order, scale and offset are judged.
        addressing: How its address is written.
        most: Registers that one request may ask for.

    Raises:
        ConfigurationError: The tag cannot be read; the remedy says what to write.
    """
    try:
        place = parse_place(tag.address, addressing)
        return Item(tag, place, _how(tag, place, most))
    except ValueError as error:
        msg = f"tag {tag.tag!r} at {tag.address!r} cannot be read"
        raise ConfigurationError(msg, where=tag.where or None, remedy=str(error)) from error


def _how(tag: Tag, place: Place, most: int) -> Encoding:
    is_bit = place.table.of_bits or place.bit is not None
    order = next((order for order in ORDERS if order == (tag.order or "ABCD").upper()), None)
    if order is None:
        msg = f"{tag.order!r} is no order: write one of {', '.join(ORDERS)}"
        raise ValueError(msg)
    type_ = (tag.type or ("bit" if is_bit else "")).strip().lower()
    how = encoding(type_, "ABCD" if place.table.of_bits else order, place.bit)
    if (type_ == "bit") != is_bit:
        msg = "coils, discrete inputs and bits of a register, as 40001.3, have type bit; no other"
        raise ValueError(msg)
    if (is_bit or type_.startswith("string")) and (tag.scale, tag.offset) != (1.0, 0.0):
        msg = "a bit or a string has no scale and no offset"
        raise ValueError(msg)
    if how.width > most:
        msg = f"it takes {how.width} registers, and limits.registers_per_read is {most}"
        raise ValueError(msg)
    return how


class ClockPlace(NamedTuple):
    """Where every unit of a device keeps its time stamp, in steps of so many microseconds."""

    table: Table
    address: int
    how: Encoding
    step: int


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` addresses from `start`, and the tags in the answer."""

    unit: int
    table: Table
    start: int
    count: int
    items: tuple[Item, ...]
    clock: ClockPlace | None = None

    def __str__(self) -> str:
        kind = self.table.name.lower().replace("_", " ")
        return f"unit {self.unit}, {kind} {self.start} to {self.start + self.count - 1} (from 0)"


@dataclass(frozen=True, slots=True)
class Planner:
    """Coalesces tags into blocks.

    Args:
        most: Registers that one request may ask for.
        gap: Registers between two tags that are read along rather than asked around.
        clock: Where the device keeps its time. Each block includes it where it fits, whatever the
            gap, because a value and its time belong together only if one answer brings both.
    """

    most: int
    gap: int
    clock: ClockPlace | None = None

    def blocks(self, items: Iterable[Item]) -> list[Block]:
        """The blocks that read these tags; all are read equally often."""
        ordered = sorted(items, key=lambda item: item.place[:3])
        found = []
        for (_, table), group in groupby(ordered, key=lambda item: item.place[:2]):
            timed: list[Item] = []
            untimed: list[Item] = []
            for item in group:
                with_clock = self.clock and self.clock.table == table and self._fits([item])
                (timed if with_clock else untimed).append(item)
            found += self._coalesce(timed, self.clock) + self._coalesce(untimed, None)
        return found

    def halves(self, block: Block) -> list[Block]:
        """The block in two, or as it is where one address is all that it reads."""
        addresses = sorted({item.place.address for item in block.items})
        if len(addresses) == 1:
            return self.without_clock(block) if block.clock else [block]
        middle = addresses[len(addresses) // 2]
        return [
            self._block([item for item in block.items if (item.place.address < middle) == first],
                        block.clock)
            for first in (True, False)
        ]  # fmt: skip

    def without_clock(self, block: Block) -> list[Block]:
        """Blocks that read the same tags and not the clock."""
        return self._coalesce(block.items, None)

    def _coalesce(self, items: Sequence[Item], clock: ClockPlace | None) -> list[Block]:
        found: list[Block] = []
        group: list[Item] = []
        for item in items:
            if group and not self._joins(group, item, clock):
                found.append(self._block(group, clock))
                group = []
            group.append(item)
        return [*found, self._block(group, clock)] if group else found

    def _joins(self, group: Sequence[Item], item: Item, clock: ClockPlace | None) -> bool:
        if clock:
            return self._fits([*group, item])
        scale = BITS_PER_REGISTER if item.place.table.of_bits else 1
        most = min(self.most * scale, MOST_BITS) if scale > 1 else self.most
        start, end = _span(group, None)
        return item.place.address - end <= self.gap * scale and item.end - start <= most

    def _fits(self, items: Sequence[Item]) -> bool:
        """Whether one request can bring these tags and the clock."""
        start, end = _span(items, self.clock)
        return end - start <= self.most

    @staticmethod
    def _block(items: Sequence[Item], clock: ClockPlace | None) -> Block:
        start, end = _span(items, clock)
        unit, table, *_ = items[0].place
        return Block(unit, table, start, end - start, tuple(items), clock)


def _span(items: Sequence[Item], clock: ClockPlace | None) -> tuple[int, int]:
    """The first address of tags and clock, and the first one behind them."""
    start = min(item.place.address for item in items)
    end = max(item.end for item in items)
    if not clock:
        return start, end
    return min(start, clock.address), max(end, clock.address + clock.how.width)
