"""Browsing, reading and importing: what an OPC UA server has, without harm to it."""

import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

CONTRACT = Path(__file__).parents[1] / "contract"
sys.path.insert(0, str(CONTRACT))
from opcua_server import Certificates, OpcuaServer, tag  # noqa: E402

from connectors.opcua.browsing import Browser  # noqa: E402
from penstock.commissioning.offers import Node  # noqa: E402
from penstock.commissioning.rows import as_csv, rows_of  # noqa: E402
from penstock.commissioning.tree import tree  # noqa: E402
from penstock.errors import ConfigurationError, DeviceError  # noqa: E402
from penstock.local.ports import free_port  # noqa: E402

pytestmark = pytest.mark.asyncio(loop_scope="module")
MACHINES, VALUES = 3, 25
NEXT = ua.NodeId(ua.ObjectIds.BrowseNextRequest_Encoding_DefaultBinary)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcuaServer]:
    """Machines with values of several types, a property, and a way round in a circle."""
    running = OpcuaServer(free_port(), Certificates(tmp_path_factory.mktemp("certificates")))
    await running.start({"temperature": 20.5})
    assert running.server
    index = await running.server.get_namespace_index("urn:acme:press")
    hall = await running.server.nodes.objects.add_object(ua.NodeId("hall", index), f"{index}:hall")
    for number in range(MACHINES):
        name = f"press{number}"
        machine = await hall.add_object(ua.NodeId(name, index), f"{index}:{name}")
        for value in range(VALUES):
            kind = (ua.VariantType.Double, ua.VariantType.UInt32)[value % 2]
            node_id = ua.NodeId(f"{name}.v{value}", index)
            await machine.add_variable(node_id, f"{index}:v{value}", value, kind)
        await machine.add_property(ua.NodeId(f"{name}.p", index), f"{index}:serial", "4711")
        await machine.add_reference(hall, ua.ObjectIds.Organizes)
    curve = ua.Variant([1.0, 2.0], ua.VariantType.Double)
    await hall.add_variable(ua.NodeId("curve", index), f"{index}:curve", curve)
    yield running
    await running.kill()


class Pages:
    """Makes the server give references in pages, and few at a time, as many real ones do.

    asyncua's own server gives all at once and knows no BrowseNext.

    Args:
        per_page: References of one node in an answer.
        points: Continuation points that a session may hold.
        per_call: Nodes that a request may name.
    """

    def __init__(self, per_page: int, points: int, per_call: int) -> None:
        self.per_page, self.points, self.per_call = per_page, points, per_call
        self.held: dict[bytes, list[Any]] = {}
        self.numbers = itertools.count()
        self.most_held = self.most_named = self.calls = self.refusals = 0

    def page(self, result: ua.BrowseResult) -> ua.BrowseResult:
        left = list(result.References)
        if len(left) > self.per_page and len(self.held) >= self.points:
            self.refusals += 1
            code = ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints)
            return ua.BrowseResult(StatusCode=code)
        result.References, left = left[: self.per_page], left[self.per_page :]
        if left:
            result.ContinuationPoint = f"{next(self.numbers)}".encode()
            self.held[result.ContinuationPoint] = left
        self.most_held = max(self.most_held, len(self.held))
        return result

    def first(self, inner: Any, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        self.calls += 1
        self.most_named = max(self.most_named, len(parameters.NodesToBrowse))
        if len(parameters.NodesToBrowse) > self.per_call:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return [self.page(result) for result in inner(parameters)]

    def following(self, body: Any) -> ua.BrowseNextResponse:
        self.calls += 1
        parameters = struct_from_binary(ua.BrowseNextParameters, body)
        answer = ua.BrowseNextResponse()
        answer.Parameters.Results = [
            self.page(ua.BrowseResult(References=self.held.pop(point)))
            for point in parameters.ContinuationPoints
        ]
        return answer


@pytest.fixture
def pages(server: OpcuaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """The server with pages of 4 references, 2 continuation points, 3 nodes per request."""
    made = Pages(4, 2, 3)
    assert server.server
    view = server.server.iserver.view_service
    inner, process = view.browse, UaProcessor._process_message
    monkeypatch.setattr(view, "browse", lambda parameters: made.first(inner, parameters))

    async def with_next(self: Any, kind: Any, header: Any, sequence: Any, body: Any) -> Any:
        if kind != NEXT:
            return await process(self, kind, header, sequence, body)
        self.send_response(header.RequestHandle, sequence, made.following(body))
        return True

    monkeypatch.setattr(UaProcessor, "_process_message", with_next)
    yield made


async def found(server: OpcuaServer, *where: Any) -> list[Node]:
    return [node async for node in server.connector([]).browse(*where)]


async def test_all_values_once_with_folders_types_and_addresses(server: OpcuaServer) -> None:
    nodes = await found(server)
    values = {node.address: node for node in nodes if node.is_value}
    assert len(values) == MACHINES * VALUES + 1 == sum(node.is_value for node in nodes)
    node = values["nsu=urn:acme:press;s=press1.v3"]
    assert (node.path, node.type) == (("hall", "press1", "v3"), "UInt32")
    assert ("hall",) in [node.path for node in nodes if not node.is_value]
    assert not any("serial" in node.path for node in nodes), "properties are no tags"
    assert server.written == []


async def test_pages_few_continuation_points_and_small_limits(
    server: OpcuaServer, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.opcua.browsing.NODES_PER_BROWSE", 3)
    whole = await found(server)
    assert len([node for node in whole if node.is_value]) == MACHINES * VALUES + 1
    assert pages.most_named <= 3
    assert pages.most_held <= 2
    assert pages.held == {}, "no continuation point is left behind"
    assert pages.refusals > 0, "three machines at once are one too many"


async def test_below_a_node_and_to_a_depth(server: OpcuaServer) -> None:
    below = await found(server, "nsu=urn:acme:press;s=press2", 1)
    assert {node.path for node in below if node.is_value} == {(f"v{n}",) for n in range(VALUES)}
    shallow = await found(server, None, 2)
    assert {len(node.path) for node in shallow} == {1, 2}
    with pytest.raises(ConfigurationError, match=r"no namespace 'urn:acme:pres'.*urn:acme:press"):
        await found(server, "nsu=urn:acme:pres;s=press2")


async def test_what_was_found_becomes_a_tag_list_and_a_tree(server: OpcuaServer) -> None:
    nodes = await found(server)
    lines = as_csv(list(rows_of(nodes))).splitlines()
    assert lines[0] == "asset,tag,address,type"
    assert "hall/press1,v3,nsu=urn:acme:press;s=press1.v3,UInt32" in lines
    assert "├── v3  UInt32  nsu=urn:acme:press;s=press1.v3" in "\n".join(tree(nodes))


async def test_an_address_is_read_with_its_type(server: OpcuaServer) -> None:
    (one,) = await server.connector([]).read_address("nsu=urn:acme:press;s=press1.v3")
    assert (one.value, one.type, one.plausible) == (3.0, "UInt32", True)
    with pytest.raises(DeviceError, match="BadNodeIdUnknown"):
        await server.connector([]).read_address("nsu=urn:acme:press;s=press1.v99")
    with pytest.raises(ConfigurationError, match="says itself which type"):
        await server.connector([]).read_address("i=2258", type_="Double")


async def test_the_limits_are_the_servers(server: OpcuaServer) -> None:
    assert server.server
    limits = {
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead: 7,
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse: 5,
    }
    for number, limit in limits.items():
        node = server.server.get_node(number)
        await node.write_value(limit, ua.VariantType.UInt32)
    async with server.connector([]).session() as client:
        browser = Browser(client)
        await browser.prepare()
        nodes = [node async for node in browser.nodes(None, None)]
    for number in limits:
        await server.server.get_node(number).write_value(0, ua.VariantType.UInt32)
    values = MACHINES * VALUES + 1
    assert sum(node.is_value for node in nodes) == values
    assert browser.requests >= values / 7 + values / 5


async def test_an_array_is_shown_and_makes_no_tag(server: OpcuaServer) -> None:
    nodes = await found(server)
    assert "├── curve  Double[]  nsu=urn:acme:press;s=curve" in "\n".join(tree(nodes)) or (
        "└── curve  Double[]  nsu=urn:acme:press;s=curve" in "\n".join(tree(nodes))
    )
    assert "curve" not in as_csv(list(rows_of(nodes)))
    address = "nsu=urn:acme:press;s=curve"
    probe = await server.connector([tag("curve", address=address), tag("temperature")]).probe()
    assert probe.details["tags"] == "1 of 2 can be read"
    assert f"tag 'curve' gives no value: '{address}' is an array of Double" in str(probe.problems)


async def test_a_root_that_is_not_there_is_an_error(server: OpcuaServer) -> None:
    with pytest.raises(ConfigurationError, match=r"s=nix' with BadNodeIdUnknown .*browse"):
        await found(server, "nsu=urn:acme:press;s=nix")


async def test_a_folder_is_no_variable(server: OpcuaServer) -> None:
    with pytest.raises(DeviceError, match=r"BadAttributeIdInvalid \(it is a folder, no variable"):
        await server.connector([]).read_address("nsu=urn:acme:press;s=hall")
