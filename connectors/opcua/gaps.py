"""What is missing of tags since their links were lost, and its filling, session after session."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.opcua.history import Gap, Page, pages, readable
from penstock.connector import Meter

GAPS_PER_TAG: Final = 20
"""On average; a server that comes and goes faster than its history can be read loses the oldest."""
REFUSALS: Final = 10
"""After so many in a row no further tag is asked for."""
_LINK: Final = frozenset(
    {
        StatusCodes.BadCommunicationError,
        StatusCodes.BadConnectionClosed,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadServerHalted,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadShutdown,
        StatusCodes.BadTimeout,
    }
)
"""Codes that say nothing of history: the next session asks again."""


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
        refused: list[str] = []
        in_a_row = 0
        tried: set[Gap] = set()
        try:
            # While some are filled, the first notifications of further tags tell of more.
            while gaps := [gap for gap in self._open if gap.handle in nodes and gap not in tried]:
                kept = await readable(client, {gap.handle: nodes[gap.handle] for gap in gaps})
                for gap in gaps:
                    tried.add(gap)
                    if gap.handle not in kept or in_a_row >= REFUSALS:
                        self._open.pop(gap, None)
                    elif code := await self._fill(client, nodes[gap.handle], gap, put):
                        refused.append(f"{self._names[gap.handle]}: {code}")
                        in_a_row += 1
                    else:
                        in_a_row = 0
        except Exception as error:
            # A lost link shows elsewhere, and the next session goes on.
            self._count(f"gaps are not filled yet: {error or type(error).__name__}")
        if refused:
            self._count(
                f"the server refuses the history of {refused[0]} (refused: {len(refused)}); "
                "such gaps stay: let the user read history, or set backfill: 0 s"
            )

    async def _fill(
        self, client: Client, node: ua.NodeId, gap: Gap, put: Callable[[Page], Awaitable[None]]
    ) -> str:
        """Hand on what the server has of one gap; its status where it refuses, else nothing."""
        try:
            async for page in pages(client, node, gap):
                await put(page)
        except UaStatusCodeError as error:
            if error.code in _LINK:
                raise
            self._open.pop(gap, None)
            return ua.StatusCode(ua.UInt32(error.code)).name
        return ""

    def _count(self, trouble: str) -> None:
        self._meter.errors += 1
        self._meter.last_error = trouble
