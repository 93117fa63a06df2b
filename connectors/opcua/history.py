"""Reads gaps from a server's own history, many nodes at a time (OPC 10000-11, 6.5.3).

A HistoryRead has one beginning, one end and one number of values for all of its nodes, so that
gaps which begin at about the same time are read together, and what lies outside a node's own gap is
left away. Continuation points are each node's own: a node that has one goes on in the next request,
and a point that is not wanted any more is released. One request follows the other, with a pause
between, so that many tags make no storm.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.opcua.readings import Gap, Page, Reading

NODES: Final = 100
"""Of one request, where the server sets no narrower limit."""
VALUES: Final = 5_000
"""Of one answer: decoding it holds up everything else."""
PAGE: Final = 1_000
"""Values of one node in one answer."""
PAUSE_SECONDS: Final = 0.02
"""Between two requests: at most 50 a second, whatever the number of tags."""
SPREAD: Final = 60_000_000
"""Microseconds between the earliest and the latest beginning of gaps that are read together."""
TRIES: Final = 10
"""So often in a row may a server have no continuation point for a node."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READABLE: Final = 1 << ua.AccessLevel.HistoryRead
LINK: Final = frozenset(
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
_POINTLESS: Final = frozenset(
    {StatusCodes.BadNoContinuationPoints, StatusCodes.BadContinuationPointInvalid}
)
"""Too many points at once, or one that the server has dropped: with fewer nodes it may do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's status where it does not give a gap's history."""

    gap: Gap
    code: int


@dataclass(slots=True)
class Answers:
    """What a server gives and refuses in one answer."""

    pages: list[Page] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many nodes a server takes at once."""

    attributes: int
    history: int

    @classmethod
    async def of(cls, client: Client) -> Self:
        """What the server says of itself; no more than `NODES` where it says nothing."""
        nodes = [
            ua.NodeId(ua.Int32(number))
            for number in (
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
                ObjectIds.Server_ServerCapabilities_MaxHistoryContinuationPoints,
            )
        ]
        values = await client.uaclient.session.read_attributes(nodes, AttributeIds.Value)
        read, history, points = (
            min(NODES, (value.Value.Value if value.Value else None) or NODES) for value in values
        )
        return cls(read, min(history, points))


class History:
    """The history of a server's nodes.

    Args:
        client: In a session.
        nodes: The node of each handle.
        limits: What the server takes at once.
    """

    def __init__(self, client: Client, nodes: Mapping[int, ua.NodeId], limits: Limits) -> None:
        self._client = client
        self._nodes = nodes
        self._limits = limits
        self._size = limits.history

    async def readable(self, handles: Sequence[int]) -> set[int]:
        """Those of the nodes whose history the server lets us read."""
        found = set()
        for start in range(0, len(handles), self._limits.attributes):
            chunk = handles[start : start + self._limits.attributes]
            levels = await self._client.uaclient.session.read_attributes(
                [self._nodes[handle] for handle in chunk], AttributeIds.UserAccessLevel
            )
            found |= {
                handle
                for handle, level in zip(chunk, levels, strict=True)
                if level.Value is not None and (level.Value.Value or 0) & _READABLE
            }
        return found

    async def read(self, gaps: Sequence[Gap]) -> AsyncGenerator[Answers, None]:
        """What the server has of gaps, and what it refuses, answer by answer.

        Raises:
            Exception: The link is lost, or the server does not answer even for one node.
        """
        waiting = [Reading(gap) for gap in gaps]
        while waiting:
            waiting.sort(key=lambda reading: reading.begin)
            async for answers in self._together(_group(waiting, self._size)):
                yield answers
            waiting = [reading for reading in waiting if not reading.ended]

    async def _together(self, group: Sequence[Reading]) -> AsyncGenerator[Answers, None]:
        """Read on as long as there are continuation points; all requests have the same details."""
        details = _details(group)
        while group:
            try:
                results = await self._request(details, group)
            except (TimeoutError, UaStatusCodeError) as error:
                yield await self._failed(group, error)
                return
            answers = Answers()
            for reading, result in zip(group, results, strict=True):
                self._take(reading, result, details, answers)
            await self._release([reading for reading in group if not reading.goes_on])
            yield answers
            group = [reading for reading in group if reading.goes_on]
            await asyncio.sleep(PAUSE_SECONDS)

    def _take(
        self,
        reading: Reading,
        result: ua.HistoryReadResult,
        details: ua.ReadRawModifiedDetails,
        answers: Answers,
    ) -> None:
        """Take in what a server says of one node; nothing where it is to be asked once more."""
        code = result.StatusCode.value
        if code in _POINTLESS and reading.failed() < TRIES:
            self._size = max(1, self._size // 2)
        elif not result.StatusCode.is_good():
            reading.end()
            answers.refusals.append(Refusal(reading.gap, code))
        else:
            data = result.HistoryData  # none, where a server has none to tell of
            values = (data.DataValues if isinstance(data, ua.HistoryData) else None) or ()
            full = len(values) >= details.NumValuesPerNode
            early = not reading.point and details.StartTime < _moment(reading.begin)
            answers.pages.append(
                reading.take(values, result.ContinuationPoint, full=full, early=early)
            )

    async def _failed(
        self, group: Sequence[Reading], error: TimeoutError | UaStatusCodeError
    ) -> Answers:
        """A request failed as a whole: its many nodes may have been too many, or one of them bad.

        Raises:
            TimeoutError: One node's history takes too long, too.
            UaStatusCodeError: The link is lost.
        """
        code = StatusCodes.BadTimeout if isinstance(error, TimeoutError) else error.code
        if code in LINK and (code != StatusCodes.BadTimeout or len(group) == 1):
            raise error
        await self._release(group)
        if len(group) > 1 and code != StatusCodes.BadServiceUnsupported:
            self._size = len(group) // 2
            return Answers()
        for reading in group:
            reading.end()
        return Answers(refusals=[Refusal(reading.gap, code) for reading in group])

    async def _release(self, readings: Sequence[Reading]) -> None:
        """Give back the continuation points of readings that do not go on there."""
        held = [reading for reading in readings if reading.point]
        if held:
            with suppress(TimeoutError, UaStatusCodeError):  # it forgets them with the session
                await self._request(_details(held), held, release=True)
        for reading in held:
            reading.point = None

    async def _request(
        self,
        details: ua.ReadRawModifiedDetails,
        readings: Sequence[Reading],
        *,
        release: bool = False,
    ) -> list[ua.HistoryReadResult]:
        params = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=release,
            NodesToRead=[
                ua.HistoryReadValueId(
                    NodeId=self._nodes[reading.gap.handle], ContinuationPoint=reading.point
                )
                for reading in readings
            ],
        )
        results: list[ua.HistoryReadResult] = await self._client.uaclient.session.history_read(
            params
        )
        return results


def _group(waiting: Sequence[Reading], size: int) -> list[Reading]:
    """Readings for one request, of those that are sorted by their beginnings; each node once."""
    first = waiting[0]
    if first.alone:
        return [first]
    group: dict[int, Reading] = {}
    for reading in waiting:
        if len(group) >= size or reading.begin > first.begin + SPREAD:
            break
        if not reading.alone:
            group.setdefault(reading.gap.handle, reading)
    return list(group.values())


def _details(group: Sequence[Reading]) -> ua.ReadRawModifiedDetails:
    return ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=_moment(min(reading.begin for reading in group)),
        EndTime=_moment(max(reading.gap.before for reading in group)),
        NumValuesPerNode=min(PAGE, max(1, VALUES // len(group))),
        ReturnBounds=False,
    )


def _moment(time: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time)
