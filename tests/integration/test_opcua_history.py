"""Gaps of a lost OPC UA link are filled from the history of real servers."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.server.history import HistoryManager

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from harness import read_until, started, until
from opcua_server import Certificates, OpcuaServer, tag

from connectors.opcua import OpcuaConnector, history
from penstock.connector import Sample
from penstock.local.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
COUNTS = ("once", "cut", "time", "exact", "many", "limit", "none")
"""Variables with history, one for each test."""
OTHERS = tuple(f"v{number}" for number in range(30))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcuaServer]:
    """A server that keeps the history of all its variables but `temperature`."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    running = OpcuaServer(free_port(), certificates)
    await running.start({"temperature": 20.5} | dict.fromkeys((*COUNTS, *OTHERS), 0))
    for name in (*COUNTS, *OTHERS):
        await running.server.iserver.enable_history_data_change(running.nodes[name])
    yield running
    await running.kill()


def kept(server: OpcuaServer, name: str) -> list[ua.DataValue]:
    storage = server.server.iserver.history_manager.storage
    values: list[ua.DataValue] = storage._datachanges[server.nodes[name].nodeid]
    return values


async def write(server: OpcuaServer, name: str, number: int, tick: int) -> None:
    """Write a number with a source time, ten milliseconds a tick, and wait until it is kept."""
    await server.write(name, number, source=BEGIN + timedelta(milliseconds=10 * tick))
    values = kept(server, name)
    await until(lambda: values and values[-1].Value.Value == number, f"{number} is kept")


def micro(tick: int) -> int:
    return round(BEGIN.timestamp() * 1e6) + 10_000 * tick


def filled(connector: OpcuaConnector, last: int) -> Callable[[list[Sample]], bool]:
    """Whether a value has come, and of the first tag no gap is open."""
    return lambda some: (
        any(sample.value == last for sample in some)
        and not any(gap.handle == 0 for gap in connector._gaps._open)
    )


def limit(server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    """Let a server give no more values at once."""
    storage = server.server.iserver.history_manager.storage
    monkeypatch.setattr(storage, "max_history_data_response_size", values)


async def test_each_value_once_also_when_the_link_is_lost_while_a_gap_is_filled(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 7)
    limit(server, monkeypatch, 5)
    connector = server.connector([tag("once"), tag("temperature")])
    found: list[Sample] = []

    def counts(samples: list[Sample]) -> list[Sample]:
        return [sample for sample in samples if sample.tag == "once"]

    async def feed(first: int, end: int) -> None:
        for number in range(first, end):
            await server.write("temperature", float(number))
            await write(server, "once", number, number)

    await feed(1, 5)
    async with started(connector):
        found += await read_until(connector, lambda some: len(some) == 2)
    await feed(5, 40)  # nobody listens but the server's own history
    async with started(connector):
        found += await read_until(connector, lambda some: len(counts(some)) >= 12)
    await feed(40, 50)
    async with started(connector):
        found += await read_until(connector, filled(connector, 49))
    assert sorted(int(sample.value) for sample in counts(found)) == list(range(4, 50))
    for sample in counts(found):
        assert sample.source_time == micro(int(sample.value))
    temperatures = {sample.value for sample in found if sample.tag == "temperature"}
    assert temperatures == {4.0, 39.0, 49.0}
    assert connector.meter.writes == connector.meter.errors == 0


class ExactPoints(HistoryManager):
    """Continues after a value, as the standard means it; asyncua's own continues at a time."""

    async def _read_datavalue_history(
        self, rv: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails
    ) -> tuple[list[ua.DataValue], bytes | None]:
        values, _ = await self.storage.read_node_history(
            rv.NodeId, details.StartTime, details.EndTime, 0
        )
        begin = int(rv.ContinuationPoint or b"0")
        if not begin:
            self.remembered = values  # a point is good for the first call's times
        end = begin + details.NumValuesPerNode
        more = str(end).encode() if end < len(self.remembered) else None
        return self.remembered[begin:end], more


@pytest.mark.parametrize("kind", ["cut", "time", "exact"])
async def test_values_of_one_time_at_the_border_of_a_page(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A page ends by its length alone, with a time to go on from, or with a place."""
    manager = server.server.iserver.history_manager
    if kind == "time":
        limit(server, monkeypatch, 5)
    else:
        monkeypatch.setattr(history, "PAGE", 5)
    most = 4  # values of one time; a server that continues at a time cannot give more than a page
    if kind == "exact":
        monkeypatch.setattr(manager, "__class__", ExactPoints)
        most = 13
    connector = server.connector([tag(kind)])
    await write(server, kind, 1, 0)
    async with started(connector):
        await read_until(connector, bool)
    expected = []
    number = 1
    for tick in range(1, 3 * most):
        for _ in range(1 + tick % most):
            number += 1
            await write(server, kind, number, tick)
            expected.append((number, micro(tick)))
    await write(server, kind, number + 1, 3 * most)
    async with started(connector):
        samples = await read_until(connector, filled(connector, number + 1))
    history_samples = [sample for sample in samples if sample.value != number + 1]
    assert [(int(sample.value), sample.source_time) for sample in history_samples] == expected


async def test_more_values_of_one_time_than_a_page_do_not_stop_the_rest(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 5)
    connector = server.connector([tag("many")])
    await write(server, "many", 1, 0)
    async with started(connector):
        await read_until(connector, bool)
    for number in range(2, 10):
        await write(server, "many", number, 1)
    for number in range(10, 20):
        await write(server, "many", number, number)
    async with started(connector):
        samples = await read_until(connector, filled(connector, 19))
    assert sorted(int(sample.value) for sample in samples) == [2, 3, 4, 5, 6, *range(10, 20)]


async def test_history_comes_as_such_and_not_before_the_limit(server: OpcuaServer) -> None:
    connector = server.connector([tag("limit")], backfill="50 ms")
    await write(server, "limit", 1, 0)
    async with started(connector):
        await read_until(connector, bool)
    for number in range(2, 12):
        await write(server, "limit", number, number)
    live, old = [], []
    async with started(connector), asyncio.timeout(10):
        while len(live) + len(old) < 5:
            batch = await connector.read()
            (old if batch.historical else live).extend(batch.samples)
    assert [sample.value for sample in live] == [11]
    assert [sample.value for sample in old] == [7, 8, 9, 10]


async def test_nothing_is_asked_for_where_backfill_is_0_s(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse(server, monkeypatch, ua.StatusCodes.BadInternalError)
    connector = server.connector([tag("none")], backfill="0 s")
    for number in (1, 2, 3):
        await write(server, "none", number, number)
        async with started(connector):
            await read_until(connector, bool)
    assert not connector._gaps
    assert not asked
    assert connector.meter.errors == 0


def refuse(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, code: int, *, service: bool = False
) -> Counter[ua.NodeId]:
    """Let a server refuse all history, a node or the whole request; counts what is asked for."""
    asked: Counter[ua.NodeId] = Counter()

    async def refusing(params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        asked.update(node.NodeId for node in params.NodesToRead)
        if service:
            raise ua.UaStatusCodeError(code)
        return [ua.HistoryReadResult(StatusCode=ua.StatusCode(code)) for _ in params.NodesToRead]

    monkeypatch.setattr(server.server.iserver.history_manager, "read_history", refusing)
    return asked


@pytest.mark.parametrize(
    ("code", "service"),
    [("BadUserAccessDenied", False), ("BadHistoryOperationUnsupported", False),
     ("BadServiceUnsupported", True)],
)  # fmt: skip
async def test_a_server_that_refuses_its_history_gives_one_word_and_the_rest_goes_on(
    server: OpcuaServer, monkeypatch: pytest.MonkeyPatch, code: str, service: bool
) -> None:
    monkeypatch.setattr(history, "NODES", 6)
    asked = refuse(server, monkeypatch, getattr(ua.StatusCodes, code), service=service)
    connector = server.connector([tag(name) for name in OTHERS])
    async with started(connector):
        await read_until(connector, lambda some: len(some) == len(OTHERS))
    for name in OTHERS:
        await server.write(name, 1)
    async with started(connector):
        await read_until(connector, lambda some: len(some) == len(OTHERS))
        await until(lambda: not connector._gaps, "given up")
        await server.write("v7", 2)
        (sample,) = await read_until(connector, bool)
    assert (sample.tag, sample.value) == ("v7", 2)
    assert len(asked) == 12  # two requests refuse more than gaps.REFUSALS
    assert set(asked.values()) == {1}
    assert connector.meter.errors == 1
    word = connector.meter.last_error
    assert f"press07/v0: {code}" in word
    assert "backfill" in word
