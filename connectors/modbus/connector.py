"""The connector: polls what is due, and judges what a missing answer means."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from connectors.modbus.errors import ILLEGAL, UNREACHED, NoAnswerError, RefusedError
from connectors.modbus.link import Link
from connectors.modbus.plan import Block, Item, Planner, locate
from connectors.modbus.probing import Examination
from connectors.modbus.reading import AddressReader
from connectors.modbus.schedule import Poll, Schedule
from connectors.modbus.settings import ModbusSettings
from penstock.clock import Clock, now
from penstock.commissioning.offers import Interpretation, ReadsAddresses
from penstock.connector import Batch, Connector, Meter, Probe, Sample
from penstock.errors import DeviceError
from penstock.quality import BAD_DEVICE_FAILURE, BAD_NO_COMMUNICATION
from penstock.settings.tags import Tag
from penstock.units import microseconds

SUSPICIOUS: Final = 3
"""After so many unanswered requests in a row, whether the link is dead is looked into."""
NAP: Final = 1.0
"""Seconds after which a wait for the next poll looks whether the connector was stopped."""
LAST_TIME: Final = 1 << 62
"""Microseconds; a device's clock beyond this is no clock."""


class ModbusConnector(Connector, ReadsAddresses):
    """Polls one Modbus device, or the units behind one gateway."""

    Settings = ModbusSettings
    EXAMPLE_TAGS = (
        {"asset": "stamping/line1/pump03", "tag": "motor_current", "address": "1/40021",
         "type": "float32", "order": "CDAB", "unit": "A", "low": "0", "high": "40"},
        {"asset": "stamping/line1/pump03", "tag": "pressure", "address": "1/30023",
         "type": "uint16", "scale": "0.01", "unit": "bar"},
        {"asset": "stamping/line1/pump03", "tag": "running", "address": "1/40030.3", "type": "bit"},
        {"asset": "stamping/line1/pump03", "tag": "lot", "address": "1/40040",
         "type": "string:16"},
    )  # fmt: skip

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        super().__init__(name, settings, tags, clock=clock)
        self._where = f"source {name} at {settings.host}:{settings.port}"
        limits = settings.limits
        self._planner = Planner(limits.registers_per_read, limits.gap, settings.clock_place())
        self._items: dict[int, list[Item]] = {}
        for tag in self.tags:
            period = microseconds(tag.poll or settings.poll)
            item = locate(tag, settings.addressing, limits.registers_per_read)
            self._items.setdefault(max(period, 1), []).append(item)
        self._links: list[Link] = []
        self._ahead: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        """Forget what was learnt of the device, which may be another one by now."""
        begin = _monotonic()
        self._schedule = Schedule(
            [
                Poll(block, period, begin)
                for period, items in self._items.items()
                for block in self._planner.blocks(items)
            ],
            self.meter,
        )
        self._due: deque[Poll] = deque()
        self._lost: DeviceError | None = None
        self._silent = 0
        self._witness: Block | None = None
        self._has_clock: dict[int, bool] = {}

    async def probe(self) -> Probe:
        """Ask for the device's identification, and read every tag once."""
        meter = Meter()
        examination = Examination(
            self._link(meter),
            lambda: self._link(meter, other_framing=True),
            self._planner,
            [item for items in self._items.values() for item in items],
            clock=self.clock,
            where=self._where,
        )
        return await examination.run(f"Modbus device at {self.settings.host}")

    async def read_address(
        self, address: str, *, type_: str | None = None, order: str | None = None
    ) -> list[Interpretation]:
        """Read what is at an address, in the way asked for or in every way there is."""
        link = self._link(Meter())
        try:
            reader = AddressReader(link, self.settings.addressing)
            if type_:
                return [await reader.read(address, type_, order)]
            return await reader.guess(address)
        finally:
            link.close()

    async def start(self) -> None:
        """Connect, and plan afresh which requests read which tags."""
        await self.stop()
        self._forget()
        links = [self._link(self.meter) for _ in range(self.settings.limits.connections)]
        await links[0].open()  # The others open when first needed.
        self._links = links

    async def read(self) -> Batch:
        """Read the blocks that are due; give their samples before anything slow is waited for."""
        while True:
            if self._lost:
                raise self._lost
            if not self._links:
                raise self._stopped()
            if not self._due:
                self._due.extend(self._schedule.take(_monotonic()))
            if not self._due:
                wait = (self._schedule.next_due() - _monotonic()) / 1e6
                await asyncio.sleep(min(max(wait, 0), NAP))
                continue
            samples: list[Sample] = []
            if len(self._links) == 1:
                await self._work(self._links[0], samples)
            else:
                await asyncio.gather(*(self._work(link, samples) for link in self._links))
            if samples:
                return Batch(samples)

    async def stop(self) -> None:
        """Hang up."""
        links, self._links = self._links, []
        for link in links:
            link.close()

    def _link(self, meter: Meter, *, other_framing: bool = False) -> Link:
        settings = self.settings
        return Link(
            settings.host,
            settings.port,
            rtu=(settings.framing == "rtu-over-tcp") != other_framing,
            timeout=settings.limits.timeout.total_seconds(),
            pause=settings.limits.pause.total_seconds(),
            meter=meter,
            where=self._where,
        )

    async def _work(self, link: Link, samples: list[Sample]) -> None:
        """Read due blocks over one connection, until none is left or one does not answer."""
        try:
            while self._due and await self._poll(link, self._due.popleft(), samples):
                pass
        except DeviceError as error:  # Told by the next `read`: these samples come first.
            self._lost = error
            self._due.clear()

    async def _poll(self, link: Link, poll: Poll, samples: list[Sample]) -> bool:
        """Read one block; whether the device answered at all.

        Raises:
            DeviceError: The link is lost.
        """
        block = poll.block
        begin = self.clock()
        try:
            contents = await self._ask(link, block)
        except RefusedError as refused:
            if refused.exception in ILLEGAL:
                parts = await self._parts(link, block)
                if parts != [block]:
                    polls = self._schedule.replace(poll, parts)
                    return all([await self._poll(link, part, samples) for part in polls])
                told = ", ".join(f"{one.tag.tag} ({one.tag.where})" for one in block.items)
                self.meter.last_error = f"{refused.message}, for {told}: is its address right?"
            quality = BAD_NO_COMMUNICATION if refused.exception in UNREACHED else BAD_DEVICE_FAILURE
            if refused.exception in ILLEGAL | UNREACHED:
                self._failed(poll)
        except NoAnswerError as error:
            self._failed(poll)
            samples += self._bad(poll, begin, BAD_NO_COMMUNICATION)
            await self._suspect(link, error)
            return False
        else:
            self._schedule.succeeded(poll)
            samples += self._good(poll, contents, self._between(begin))
            return True
        samples += self._bad(poll, begin, quality)
        return True

    async def _ask(self, link: Link, block: Block) -> Sequence[int]:
        """A block's contents; who answers, if only to refuse, is alive."""
        if not self._links:
            raise self._stopped()
        if not link.connected:
            await link.open()
        try:
            contents = await link.read(block.unit, block.table, block.start, block.count)
        except RefusedError:
            self._silent = 0
            raise
        except NoAnswerError as error:
            if not self._links:
                raise self._stopped() from error
            raise
        self._silent, self._witness = 0, block
        return contents

    async def _parts(self, link: Link, block: Block) -> list[Block]:
        """What to read in the place of a block that has an address the device does not know."""
        if not block.clock:
            return self._planner.halves(block)
        if block.unit not in self._has_clock:
            place = block.clock
            try:
                await link.read(block.unit, place.table, place.address, place.how.width)
                self._has_clock[block.unit] = True
            except RefusedError:
                self._has_clock[block.unit] = False
            except NoAnswerError:
                return [block]
        halve = self._planner.halves if self._has_clock[block.unit] else self._planner.without_clock
        return halve(block)

    async def _suspect(self, link: Link, error: NoAnswerError) -> None:
        """After several requests without an answer, see whether the device gives one at all.

        Raises:
            DeviceError: What it answered before, it does not answer any more.
        """
        self._silent += 1
        if self._silent < SUSPICIOUS:
            return
        if self._witness:
            with contextlib.suppress(RefusedError, NoAnswerError):
                await self._ask(link, self._witness)
        elif self._silent < len(self._schedule.polls):
            return
        if self._silent:
            msg = f"{self._silent} requests in a row failed: {error.message}"
            remedy = "check that the device is on and connected; it is tried again"
            raise DeviceError(msg, where=self._where, remedy=remedy)

    def _failed(self, poll: Poll) -> None:
        self._schedule.failed(poll, _monotonic(), microseconds(self.settings.limits.timeout))

    def _between(self, begin: int) -> int:
        """The middle of a request and its answer, the best guess at when a value was so."""
        return (begin + self.clock()) // 2

    def _good(self, poll: Poll, contents: Sequence[int], read_at: int) -> list[Sample]:
        """The samples in an answer; only of what changed, where the device's clock did not."""
        raw, stamp = poll.answers.read(contents)
        known = poll.raw if stamp is not None and stamp == poll.stamp else None
        poll.raw, poll.stamp = raw, stamp
        if raw == known:
            return []
        if stamp is not None:
            if 0 <= stamp < LAST_TIME:
                self._ahead[poll.block.unit] = stamp - read_at
                read_at = stamp
            else:
                self.meter.errors += 1
                self.meter.last_error = f"{poll.block}: the device's clock says {stamp} us"
        return poll.answers.samples(raw, read_at, known)

    def _bad(self, poll: Poll, begin: int, quality: int) -> list[Sample]:
        """Samples that say so, by the unit's clock as far as known: none overtakes a good one."""
        return poll.answers.bad(self._between(begin) + self._ahead.get(poll.block.unit, 0), quality)

    def _stopped(self) -> DeviceError:
        msg = "the connector is stopped"
        return DeviceError(msg, where=self._where, remedy="start it first")


def _monotonic() -> int:
    """Microseconds of a clock that nobody sets."""
    return time.monotonic_ns() // 1000
