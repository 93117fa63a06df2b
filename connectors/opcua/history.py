"""Fills the gap of a lost link from the server's own history, where it keeps one (OPC 10000-11).

One small request after the other, with a pause between, so that many tags make no storm. A gap lies
between the last sample before the loss and the first after it, both excluded: what is read was
never sent. Where a page ends within values of one time, those of the next page are left out.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from connectors.opcua.values import microseconds

PAGE: Final = 1_000
"""Values of one request."""
PAUSE_SECONDS: Final = 0.02
"""Between two requests: at most 50 a second, whatever the number of tags."""
_NODES_PER_READ: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READABLE: Final = 1 << ua.AccessLevel.HistoryRead


@dataclass(slots=True, eq=False)
class Gap:
    """Times of one tag between which samples may be missing; microseconds, both excluded."""

    handle: int
    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Page:
    """Values of one gap, in their order; once they are handed on, the gap begins at `after`."""

    gap: Gap
    values: Sequence[ua.DataValue]
    after: int
    last: bool


async def readable(client: Client, nodes: Mapping[int, ua.NodeId]) -> set[int]:
    """The handles of the nodes whose history the server lets us read."""
    handles, found = list(nodes), set()
    for start in range(0, len(handles), _NODES_PER_READ):
        chunk = handles[start : start + _NODES_PER_READ]
        levels = await client.uaclient.session.read_attributes(
            [nodes[handle] for handle in chunk], AttributeIds.UserAccessLevel
        )
        found |= {
            handle
            for handle, level in zip(chunk, levels, strict=True)
            if level.Value is not None and (level.Value.Value or 0) & _READABLE
        }
    return found


async def pages(client: Client, node: ua.NodeId, gap: Gap) -> AsyncIterator[Page]:
    """What the server's history has of a gap.

    Raises:
        Exception: The server refuses, or the link is lost.
    """
    point, after, last = None, gap.after, False
    while not last:
        result = await _read(client, node, after, gap.before, point)
        values = [
            (time, value)
            for value in result.HistoryData.DataValues or ()
            if (time := microseconds(value.SourceTimestamp)) is not None
            and after < time < gap.before
        ]
        full = len(result.HistoryData.DataValues or ()) >= PAGE
        after = max((time for time, _ in values), default=after)
        point = result.ContinuationPoint
        # Some servers give no point where they cut an answer to the length that was asked for.
        last = not values or not (point or full)
        yield Page(gap, [value for _, value in values], after, last)
        await asyncio.sleep(PAUSE_SECONDS)


async def _read(
    client: Client, node: ua.NodeId, after: int, before: int, point: bytes | None
) -> ua.HistoryReadResult:
    params = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_EPOCH + timedelta(microseconds=after),
            EndTime=_EPOCH + timedelta(microseconds=before),
            NumValuesPerNode=PAGE,
            ReturnBounds=False,
        ),
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ReleaseContinuationPoints=False,
        NodesToRead=[ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point)],
    )
    (result,) = await client.uaclient.session.history_read(params)
    result.StatusCode.check()
    return result
