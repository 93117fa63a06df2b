"""Reads one address that is in no tag list yet: in one way, or in all."""

import math
from collections.abc import Sequence
from typing import Final

from connectors.modbus.errors import ILLEGAL, RefusedError
from connectors.modbus.guessing import absurd, guesses
from connectors.modbus.link import Link
from connectors.modbus.plan import Item, locate
from connectors.modbus.registers import (
    LAST_ADDRESS,
    Addressing,
    Place,
    parse_place,
    write_place,
)
from penstock.commissioning.offers import Interpretation
from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag

WINDOWS: Final = (8, 4, 2, 1)
"""Registers asked for from an address on, fewer where the device does not have so many."""
_BASES: Final = (
    (0, ""),
    (1, "if your manual counts from 0"),
    (-1, "if the device counts from 1 again"),
)
"""How far the address may be off by the manual's way of counting."""


class AddressReader:
    """Reads addresses over one connection.

    Args:
        link: A new connection; opened when first needed.
        addressing: How addresses are written.
    """

    def __init__(self, link: Link, addressing: Addressing) -> None:
        self._link = link
        self._addressing = addressing

    async def read(self, address: str, type_: str, order: str | None) -> Interpretation:
        """The value at an address, of a type and order.

        Raises:
            ConfigurationError: There is no such address, type or order.
            DeviceError: It cannot be read.
        """
        tag = Tag(asset="asset", tag="value", address=address, type=type_, order=order)
        item = locate(tag, self._addressing, max(WINDOWS) * 16)
        contents = await self._contents(item.place, item.how.width)
        used = _written_order(item)
        try:
            value = bool(contents[0]) if item.place.table.of_bits else item.how.read(contents)
        except UnicodeDecodeError:
            return Interpretation(address, type_, used, math.nan, False, "is no text in UTF-8")
        why = absurd(value) if isinstance(value, float) else None
        return Interpretation(address, type_, used, value, why is None, why or "as asked for")

    async def guess(self, address: str) -> list[Interpretation]:
        """All that an address may mean: types, orders, and counting from 0 or 1.

        Raises:
            ConfigurationError: It is no address.
            DeviceError: The device cannot be reached, or has nothing there.
        """
        try:
            place = parse_place(address, self._addressing)
        except ValueError as error:
            msg = f"{address!r} is no address of this source"
            raise ConfigurationError(msg, remedy=str(error)) from error
        found: list[tuple[int, Interpretation]] = []
        refused: RefusedError | None = None
        for offset, when in _BASES:
            if not 0 <= place.address + offset <= LAST_ADDRESS:
                continue
            try:
                found += await self._at(place._replace(address=place.address + offset), when)
            except RefusedError as error:
                refused = refused or error
        if refused and not found:
            raise refused
        return [one for _, one in sorted(found, key=lambda pair: -pair[0])]

    async def _at(self, place: Place, when: str) -> list[tuple[int, Interpretation]]:
        """What one place may mean, with scores: the address as written wins where equal."""
        address = write_place(place, self._addressing)
        behind = 0 if not when else 5
        if place.table.of_bits or place.bit is not None:
            word = (await self._contents(place, 1))[0]  # bits come in whole bytes
            value = bool(word >> (place.bit or 0) & 1)
            one = Interpretation(address, "bit", None, value, True, when or "as written")
            return [(50 - behind, one)]
        registers = await self._window(place)
        return [
            (
                guess.score - behind if guess.score > 0 else guess.score,
                Interpretation(
                    address,
                    guess.type,
                    guess.order,
                    guess.value,
                    guess.score > 0,
                    f"{guess.reason}; {when}" if when else guess.reason,
                ),
            )
            for guess in guesses(registers)
        ]

    async def _window(self, place: Place) -> Sequence[int]:
        """As many registers from a place on as the device has, 8 at most."""
        for count in WINDOWS:
            try:
                return await self._contents(place, min(count, LAST_ADDRESS + 1 - place.address))
            except RefusedError as error:
                if error.exception not in ILLEGAL or count == WINDOWS[-1]:
                    raise
        raise AssertionError

    async def _contents(self, place: Place, count: int) -> Sequence[int]:
        if not self._link.connected:
            await self._link.open()
        return await self._link.read(place.unit, place.table, place.address, count)


def _written_order(item: Item) -> str | None:
    return item.how.order if item.how.width > 1 and not item.how.finish else None
