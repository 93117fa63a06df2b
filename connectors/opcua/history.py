"""Fills the gap of a lost link from the server's own history, where it keeps one (OPC 10000-11).

One small request after the other, with a pause between, so that many tags make no storm. A gap lies
between the last sample before the loss and the first after it, both excluded: what is read was
never sent.
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
EMPTY_PAGES: Final = 100
"""So often may a server in a row say that there is more, and give nothing."""
_NODES_PER_READ: Final = 100
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

    Values of a page's last time wait for the next page, for there may be more of them: a gap that
    is taken up again begins after a time whose values were all handed on. Some servers continue at
    a time rather than after a value, and give those of that time once more.

    Raises:
        Exception: The server refuses, or the link is lost.
    """
    begin, done, point, empty, last = gap.after, gap.after, None, 0, False
    held: list[ua.DataValue] = []
    while not last:
        found, point = await _read(client, node, begin, gap.before, point)
        new = _within(gap, _unseen(found, held))
        empty = 0 if new else empty + 1
        # Some servers give no point where they cut an answer to the length that was asked for.
        last = not (point or len(found) >= PAGE) or empty > EMPTY_PAGES
        if held and found and not new:  # it would give the same again and again
            begin, point = _time(held[-1]) + 1, None
            ready, held = held, []
        else:
            known = held + new
            begin = _time(known[-1]) if known else begin
            ready = [value for value in known if last or _time(value) < begin]
            held = known[len(ready) :]
        done = _time(ready[-1]) if ready else done
        if ready or last:
            yield Page(gap, ready, done, last)
        await asyncio.sleep(PAUSE_SECONDS)


def _within(gap: Gap, values: Sequence[ua.DataValue]) -> list[ua.DataValue]:
    """Those that have a source time in the gap, by their times."""
    found = [value for value in values if gap.after < _time(value) < gap.before]
    return sorted(found, key=_time)


def _unseen(values: Sequence[ua.DataValue], held: Sequence[ua.DataValue]) -> list[ua.DataValue]:
    """An answer without the values that we hold already, where it begins with them."""
    first = [value for value in values if held and _time(value) == _time(held[0])]
    again = [repr(value) for value in first[: len(held)]] == [repr(value) for value in held]
    rest = [value for value in values if not held or _time(value) > _time(held[0])]
    return (first[len(held) :] if again else first) + rest


def _time(value: ua.DataValue) -> int:
    """Microseconds; below all gaps where the server gives no time."""
    return microseconds(value.SourceTimestamp) or 0


async def _read(
    client: Client, node: ua.NodeId, begin: int, end: int, point: bytes | None
) -> tuple[Sequence[ua.DataValue], bytes | None]:
    """Values from one time to another, and where to go on, if there are more."""
    params = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_EPOCH + timedelta(microseconds=begin),
            EndTime=_EPOCH + timedelta(microseconds=end),
            NumValuesPerNode=PAGE,
            ReturnBounds=False,
        ),
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ReleaseContinuationPoints=False,
        NodesToRead=[ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point)],
    )
    (result,) = await client.uaclient.session.history_read(params)
    result.StatusCode.check()
    data = result.HistoryData  # none, where a server has none to tell of
    values = data.DataValues if isinstance(data, ua.HistoryData) else None
    return values or (), result.ContinuationPoint
