"""What is missing of tags since their links were lost, and its filling, session after session."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from asyncua import ua
from asyncua.client.client import Client

from connectors.opcua.history import LINK, History, Limits, Refusal
from connectors.opcua.readings import Gap, Page
from penstock.connector import Meter

GAPS_PER_TAG: Final = 20
"""On average; a server that comes and goes faster than its history can be read loses the oldest."""
REFUSALS: Final = 10
"""After so many, and no answer that has values, no further tag is asked for."""


class Gaps:
    """The gaps of one source's tags.

    Args:
        names: What people call each tag, by handle.
        meter: Counts what fails.
        backfill: How far back gaps are filled, microseconds; 0: not at all.
    """

    def __init__(self, names: Sequence[str], meter: Meter, backfill: int) -> None:
        self._names = names
        self._meter = meter
        self._backfill = backfill
        self._open: dict[Gap, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def note(self, lost: Iterable[tuple[int, int, int]]) -> None:
        """Take note of gaps: handle, source times before and after each, microseconds."""
        if not self._backfill:
            return
        for handle, after, before in lost:
            self._open[Gap(handle, max(after, before - self._backfill), before)] = None
        excess = len(self._open) - GAPS_PER_TAG * len(self._names)
        if excess > 0:
            for gap in list(self._open)[:excess]:
                self._open.pop(gap)
            self._count(f"{excess} gaps are too many to fill: the oldest stay")

    def handed_on(self, page: Page) -> None:
        """The samples of a page are out: no later session reads them again."""
        page.gap.after = page.after
        if page.last:
            self._open.pop(page.gap, None)

    async def fill(
        self,
        client: Client,
        nodes: Mapping[int, ua.NodeId],
        put: Callable[[Page], Awaitable[None]],
    ) -> None:
        """Read what is missing from the server's history; what it does not keep stays missing.

        What it refuses is counted once, with a word on the first.

        Args:
            client: In a session.
            nodes: The node of each handle.
            put: Takes what was read, to be handed on; it may wait.
        """
        tried: set[Gap] = set()
        try:
            history = History(client, nodes, await Limits.of(client))
            # While some are filled, the first notifications of further tags tell of more.
            while gaps := [gap for gap in self._open if gap.handle in nodes and gap not in tried]:
                tried.update(gaps)
                await self._fill(history, gaps, put)
        except Exception as error:
            # A lost link shows elsewhere, and the next session goes on.
            self._count(f"gaps are not filled yet: {str(error) or 'no answer in time'}")

    async def _fill(
        self, history: History, gaps: Sequence[Gap], put: Callable[[Page], Awaitable[None]]
    ) -> None:
        """Hand on what the server has of gaps; name what it refuses."""
        kept = await history.readable([gap.handle for gap in gaps])
        self._give_up(gap for gap in gaps if gap.handle not in kept)
        wanted = [gap for gap in gaps if gap.handle in kept]
        refused: list[Refusal] = []
        unreached: list[Refusal] = []
        in_a_row = 0
        try:
            async with aclosing(history.read(wanted)) as reading:
                async for answers in reading:
                    for page in answers.pages:
                        await put(page)
                    unreached += [one for one in answers.refusals if one.code in LINK]
                    refusals = [one for one in answers.refusals if one.code not in LINK]
                    refused += refusals
                    self._give_up(one.gap for one in refusals)
                    in_a_row = 0 if answers.pages else in_a_row + len(refusals)
                    if in_a_row >= REFUSALS:
                        self._give_up(wanted)
                        break
        finally:
            if refused:
                self._count(
                    f"the server refuses the history of {self._named(refused)}; "
                    "such gaps stay: let the user read history, or set backfill: 0 s"
                )
            if unreached:  # a device behind the server; the next session asks again
                self._count(f"gaps are not filled yet: {self._named(unreached)}")

    def _named(self, refusals: Sequence[Refusal]) -> str:
        first, name = refusals[0], ua.StatusCode(ua.UInt32(refusals[0].code)).name
        return f"{self._names[first.gap.handle]}: {name} (refused: {len(refusals)})"

    def _give_up(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            self._open.pop(gap, None)

    def _count(self, trouble: str) -> None:
        self._meter.errors += 1
        self._meter.last_error = trouble
