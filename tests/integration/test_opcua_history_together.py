"""The history of many OPC UA nodes is read together from real servers, each value once."""

import random
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.server.history import HistoryManager

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from opcua_server import Certificates, OpcuaServer

from connectors.opcua import history
from connectors.opcua.history import History, Limits, Refusal
from connectors.opcua.readings import Gap
from penstock.local.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MICROSECONDS = round(BEGIN.timestamp() * 1e6)
SECOND = 1_000_000
NODES = 40
MOST_NODES = 16
"""That the server takes in one request."""
Values = list[tuple[int, int]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcuaServer]:
    """A server with a history of each node, some of one time, over five minutes."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    running = OpcuaServer(free_port(), certificates)
    await running.start({f"v{number}": 0 for number in range(NODES)})
    storage = running.server.iserver.history_manager.storage
    rng = random.Random(5)
    for node in running.nodes.values():
        await running.server.iserver.enable_history_data_change(node, period=None)
        seconds = sorted(rng.randrange(300) for _ in range(rng.choice((0, 3, 30, 300))))
        for number, second in enumerate(seconds):
            time = BEGIN + timedelta(seconds=second)
            await storage.save_node_value(node.nodeid, ua.DataValue(number, SourceTimestamp=time))
    limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData
    node = running.server.get_node(ua.NodeId(ua.Int32(limit)))
    await node.write_value(ua.DataValue(ua.Variant(MOST_NODES, ua.VariantType.UInt32)))
    yield running
    await running.kill()


class Counting(HistoryManager):
    """asyncua's own, which cuts an answer to its length without a word, and goes on at a time."""

    asked: list[int]

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        assert len(params.NodesToRead) <= MOST_NODES
        self.asked.append(len(params.NodesToRead))
        return await super().read_history(params)


class Conforming(Counting):
    """Keeps a place for each continuation point, of which it has few, and loses some."""

    places: dict[bytes, list[ua.DataValue]]
    rng: random.Random

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        if params.ReleaseContinuationPoints:
            for one in params.NodesToRead:
                del self.places[one.ContinuationPoint]
            return [ua.HistoryReadResult() for _ in params.NodesToRead]
        return await super().read_history(params)

    async def _read_history(
        self, details: ua.ReadRawModifiedDetails, rv: ua.HistoryReadValueId
    ) -> ua.HistoryReadResult:
        if not rv.ContinuationPoint:
            values, _ = await self.storage.read_node_history(
                rv.NodeId, details.StartTime, details.EndTime, 0
            )
        else:
            values = self.places.pop(rv.ContinuationPoint)
            if self.rng.random() < 0.05:
                code = ua.StatusCodes.BadContinuationPointInvalid
                return ua.HistoryReadResult(StatusCode=ua.StatusCode(code))
        most, point = details.NumValuesPerNode, None
        if len(values) > most:
            if len(self.places) >= MOST_NODES // 2:
                code = ua.StatusCodes.BadNoContinuationPoints
                return ua.HistoryReadResult(StatusCode=ua.StatusCode(code))
            point = self.rng.randbytes(8)
            self.places[point] = values[most:]
        data = ua.HistoryData(DataValues=values[:most])
        return ua.HistoryReadResult(ContinuationPoint=point, HistoryData=data)


class Narrow(Counting):
    """Takes fewer nodes than it says."""

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        results = await super().read_history(params)
        if len(params.NodesToRead) > 5:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadResponseTooLarge)
        return results


def become(server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, kind: type[Counting]) -> Counting:
    """Let a server's history be of a kind."""
    manager = server.server.iserver.history_manager
    monkeypatch.setattr(manager, "__class__", kind)
    manager.asked, manager.places, manager.rng = [], {}, random.Random(7)
    return manager


def gap(handle: int, after: float, before: float) -> Gap:
    return Gap(handle, round(MICROSECONDS + after * SECOND), round(MICROSECONDS + before * SECOND))


async def read(server: OpcuaServer, gaps: list[Gap]) -> tuple[dict[Gap, Values], list[Refusal]]:
    """Numbers and times of each gap, in the order in which they came."""
    found: dict[Gap, Values] = {one: [] for one in gaps}
    refused = []
    ended = []
    nodes = {handle: server.nodes[f"v{handle}"].nodeid for handle in range(NODES)}
    async with server.connector([]).session() as client:
        reader = History(client, nodes, await Limits.of(client))
        async with aclosing(reader.read(gaps)) as answers:
            async for answer in answers:
                refused += answer.refusals
                for page in answer.pages:
                    found[page.gap] += [
                        (value.Value.Value, round(value.SourceTimestamp.timestamp() * 1e6))
                        for value in page.values
                    ]
                    ended += [page.gap] * page.last
    assert len(ended) == len(set(ended)) == len(gaps) - len(refused)
    return found, refused


def kept(server: OpcuaServer, one: Gap) -> Values:
    """What the server has of a gap, by its own store."""
    storage = server.server.iserver.history_manager.storage
    values = [
        (value.Value.Value, round(value.SourceTimestamp.timestamp() * 1e6))
        for value in storage._datachanges[server.nodes[f"v{one.handle}"].nodeid]
    ]
    return [(number, time) for number, time in values if one.after < time < one.before]


@pytest.mark.parametrize("kind", [Counting, Conforming, Narrow])
@pytest.mark.parametrize("values", [5_000, 160], ids=["long answers", "short answers"])
async def test_each_value_of_each_gap_once(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, kind: type[Counting], values: int
) -> None:
    """Gaps begin and end where they like, some nodes have two; the oracle is the server's store."""
    monkeypatch.setattr(history, "VALUES", values)
    manager = become(server, monkeypatch, kind)
    rng = random.Random(values)
    gaps = [gap(handle, -1, 301) for handle in range(0, NODES, 5)]
    for handle in range(NODES):
        after = rng.randrange(200)
        gaps.append(gap(handle, after, after + rng.randrange(1, 200)))
    found, refused = await read(server, gaps)
    assert not refused
    for one in gaps:
        assert found[one] == kept(server, one), one
    assert not manager.places, "continuation points were not given back"


async def test_many_nodes_take_few_requests(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = become(server, monkeypatch, Counting)
    gaps = [gap(handle, 200 + handle / 10, 210 + handle / 10) for handle in range(NODES)]
    found, _ = await read(server, gaps)
    assert sum(map(len, found.values())) > NODES
    assert manager.asked == [16, 16, 8]


async def test_gaps_that_begin_far_apart_are_not_read_together(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = become(server, monkeypatch, Counting)
    await read(server, [gap(handle, 100 * (handle % 3), 201) for handle in range(9)])
    assert manager.asked == [3, 3, 3]


async def test_points_are_given_back_where_a_node_is_behind_its_gap(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "VALUES", 10)
    manager = become(server, monkeypatch, Conforming)
    long = [handle for handle in range(NODES) if len(kept(server, gap(handle, -1, 301))) == 300]
    gaps = [gap(long[0], -1, 5), gap(long[1], -1, 301)]
    found, _ = await read(server, gaps)
    assert [len(found[one]) for one in gaps] == [len(kept(server, one)) for one in gaps]
    assert manager.asked.count(2) < 5
    assert not manager.places
