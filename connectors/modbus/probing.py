"""What a Modbus device says when it is asked who it is and for every tag once; reads only."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from connectors.modbus.errors import ILLEGAL, NoAnswerError, RefusedError
from connectors.modbus.guessing import better_order
from connectors.modbus.link import Link
from connectors.modbus.plan import Block, Item, Planner
from connectors.modbus.registers import Table
from penstock.clock import Clock
from penstock.commissioning.plausible import outside
from penstock.connector import Probe
from penstock.errors import ConfigurationError, DeviceError, PenstockError

COMMON_UNITS: Final = (1, 255, 0, 2)
"""Asked where the configured one keeps silent: first of most, gateways, broadcast, second."""
CLOCK_SKEW: Final = 2_000_000
"""Microseconds by which a device's clock may be off before it is a problem."""


class Examination:
    """One look at a device.

    Args:
        link: A new connection, not yet open.
        other_framing: Makes a connection with the other framing.
        planner: Cuts tags into requests within the device's limits.
        items: The tags.
        clock: Ours.
        where: Source and address, for errors.
    """

    def __init__(
        self,
        link: Link,
        other_framing: Callable[[], Link],
        planner: Planner,
        items: Sequence[Item],
        *,
        clock: Clock,
        where: str,
    ) -> None:
        self._link = link
        self._other_framing = other_framing
        self._planner = planner
        self._items = items
        self._clock = clock
        self._where = where
        self._problems: list[PenstockError] = []
        self._read = 0
        self._clocks: set[int] = set()

    async def run(self, name: str) -> Probe:
        """Ask who it is, then read each tag once.

        Args:
            name: What to call it where it does not say.

        Raises:
            DeviceError: It cannot be reached, does not answer, or not in Modbus.
        """
        try:
            await self._link.open()
            identity, latency = await self._identity()
            details = dict(identity)
            for block in self._planner.blocks(self._items):
                await self._tags(block)
        finally:
            self._link.close()
        if self._items:
            details["tags"] = f"{self._read} of {len(self._items)} can be read"
        details["security"] = "none: Modbus has neither encryption nor users"
        title = " ".join(identity.values()) or name
        return Probe(title, latency, details, tuple(self._problems))

    async def _identity(self) -> tuple[dict[str, str], float]:
        """What the device says of itself, if anything, and how long an answer takes, in ms."""
        first = self._items[0].place if self._items else None
        unit = first.unit if first else COMMON_UNITS[0]
        begin = time.perf_counter()
        try:
            identity = await self._link.identify(unit)
        except RefusedError:
            identity = {}
        except NoAnswerError:
            identity = {}
            begin = time.perf_counter()
            table, address = (first.table, first.address) if first else (Table.HOLDING_REGISTERS, 0)
            try:
                await self._answers(self._link, unit, table, address)
            except NoAnswerError as error:
                raise await self._why(unit, error) from error
        return identity, (time.perf_counter() - begin) * 1000

    @staticmethod
    async def _answers(
        link: Link, unit: int, table: Table = Table.HOLDING_REGISTERS, address: int = 0
    ) -> None:
        """Read one register; a refusal is an answer."""
        if not link.connected:
            await link.open()
        try:
            await link.read(unit, table, address, 1)
        except RefusedError:
            return

    async def _why(self, unit: int, error: NoAnswerError) -> DeviceError:
        """A better error for a unit that does not answer: another unit or framing may."""
        if not error.message.startswith(("no answer", "the device hung up")):
            return error
        other = self._other_framing()
        try:
            await self._answers(other, unit)
        except DeviceError:
            pass
        else:
            msg = f"unit {unit}: {error.message}; asked in the other framing, it answers"
            remedy = "set framing to the other of tcp and rtu-over-tcp"
            return DeviceError(msg, where=self._where, remedy=remedy)
        finally:
            other.close()
        for found in COMMON_UNITS:
            if found == unit:
                continue
            try:
                await self._answers(self._link, found)
            except DeviceError:
                continue
            msg = f"unit {unit}: {error.message}; unit {found} answers"
            remedy = f"write {found}/… in the tag list's addresses, or ask which units there are"
            return DeviceError(msg, where=self._where, remedy=remedy)
        msg = f"the connection is accepted, but of unit {unit}: {error.message}"
        remedy = "check the unit's number, the wiring behind a gateway, framing and limits.timeout"
        return DeviceError(msg, where=self._where, remedy=remedy)

    async def _tags(self, block: Block) -> None:
        """Read a block's tags; what is refused is cut in halves until the tag is found."""
        try:
            if not self._link.connected:
                await self._link.open()
            begin = self._clock()
            contents = await self._link.read(block.unit, block.table, block.start, block.count)
        except RefusedError as refused:
            parts = self._planner.halves(block)
            if refused.exception in ILLEGAL and parts != [block]:
                for part in parts:
                    await self._tags(part)
                return
            remedy = "check unit, table (3… or 4…) and address in the device's manual"
            self._bad(block, f"the device refuses it: {refused.message}", remedy)
        except NoAnswerError as error:
            self._bad(block, error.message, error.remedy or "")
        else:
            self._judge_clock(block, contents, (begin + self._clock()) // 2)
            for item in block.items:
                no_text = undecodable(item, contents, block.start)
                self._read += no_text is None
                if problem := no_text or judged(item, contents, block.start):
                    self._problems.append(problem)

    def _bad(self, block: Block, message: str, remedy: str) -> None:
        first, others = block.items[0].tag, len(block.items) - 1
        text = f"tag {first.tag!r} at {first.address!r} cannot be read: {message}"
        text += f"; with it {others} more" if others else ""
        self._problems.append(ConfigurationError(text, where=first.where or None, remedy=remedy))

    def _judge_clock(self, block: Block, contents: Sequence[int], ours: int) -> None:
        if not block.clock or block.unit in self._clocks:
            return
        self._clocks.add(block.unit)
        at = block.clock.address - block.start
        words = contents[at : at + block.clock.how.width]
        skew = block.clock.how.read(words) * block.clock.step - ours
        if abs(skew) > CLOCK_SKEW:
            way = "ahead of" if skew > 0 else "behind"
            msg = f"unit {block.unit}'s clock is {abs(skew) / 1e6:.1f} s {way} ours"
            remedy = "set it, or check clock.address, type, order and resolution"
            self._problems.append(DeviceError(msg, where=self._where, remedy=remedy))


def undecodable(item: Item, contents: Sequence[int], start: int) -> ConfigurationError | None:
    """A problem where a tag's registers hold no text, but should; arguments as of `judged`."""
    at, how = item.place.address - start, item.how
    if item.place.table.of_bits or not how.finish:
        return None
    try:
        how.read(contents[at : at + how.width])
    except UnicodeDecodeError as error:
        msg = f"tag {item.tag.tag!r} at {item.tag.address!r} cannot be read: no text in UTF-8"
        msg += f": {bytes(error.object)!r}"
        remedy = "check address, length and order: penstock connectors read --guess"
        return ConfigurationError(msg, where=item.tag.where or None, remedy=remedy)
    return None


def judged(item: Item, contents: Sequence[int], start: int) -> ConfigurationError | None:
    """A problem where a tag's value is absurd, or outside the range that its row calls plausible.

    Args:
        item: The tag.
        contents: Registers or bits that were read.
        start: Address of the first of them.
    """
    tag, how = item.tag, item.how
    at = item.place.address - start
    if item.place.table.of_bits or how.finish:
        return None
    words = contents[at : at + how.width]
    type_ = (tag.type or "").lower()
    if better := better_order(words, type_, how.order):
        msg = f"tag {tag.tag!r} reads {how.read(words):.4g} with order {how.order}, which is absurd"
        remedy = f"write order {better.order}: it then reads {better.value:.6g}"
        return ConfigurationError(msg, where=tag.where or None, remedy=remedy)
    remedy = "check address, type, order, scale and offset: penstock connectors read --guess"
    return outside(tag, how.read(words), remedy)
