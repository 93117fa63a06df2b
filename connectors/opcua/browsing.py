"""Walks an OPC UA server's address space, level by level, without harm to it.

One request is under way at a time, none asks for more than the server's limits allow, and after
each the server has a rest. What does not fit into one answer comes by continuation points, which
are used up at once (OPC 10000-4, 5.9.2 and 5.9.3).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from connectors.opcua.nodes import NodeAddress, near_namespace, standard_type, write_address
from connectors.opcua.probing import remedy_of
from connectors.opcua.values import to_value
from penstock.commissioning.offers import Interpretation, Node
from penstock.errors import ConfigurationError, DeviceError
from penstock.quality import is_good, signed
from penstock.settings.tags import Tag

NODES_PER_BROWSE: Final = 100
REFERENCES_PER_NODE: Final = 1000
NODES_PER_READ: Final = 500
REST: Final = 0.1
"""Rest after an answer, as a share of the time that it took."""
_LONGEST_REST: Final = 0.5
_MASK: Final = ua.NodeClass.Object | ua.NodeClass.Variable
_WANTED: Final = (
    ua.BrowseResultMask.ReferenceTypeId
    | ua.BrowseResultMask.NodeClass
    | ua.BrowseResultMask.BrowseName
)
_BUSY: Final = (StatusCodes.BadNoContinuationPoints, StatusCodes.BadTooManyOperations)
_ONE_OR_MORE: Final = 0
"""The ValueRank of an array of whatever dimensions; those above are numbers of dimensions."""
_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_NOT_FOLLOWED: Final = frozenset({(0, ObjectIds.Server), (0, 31915)})
"""The server's own objects, Server and Locations, where nobody asks for them."""

T = TypeVar("T")


class _Step(NamedTuple):
    """A node whose references are still to be asked for."""

    node: ua.NodeId
    path: tuple[str, ...]


class Browser:
    """Browses over one session.

    Args:
        client: In a session.
    """

    def __init__(self, client: Client) -> None:
        self._session = client.uaclient.session
        self._namespaces: list[str] = []
        self._per_browse = NODES_PER_BROWSE
        self._per_read = NODES_PER_READ
        self._seen: set[tuple[int, object]] = set()
        self.requests = 0

    async def prepare(self) -> list[str]:
        """Read the server's limits; gives its namespaces."""
        limits = (
            ObjectIds.Server_NamespaceArray,
            ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
            ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            ObjectIds.Server_ServerCapabilities_MaxBrowseContinuationPoints,
        )
        answers = await self._session.read_attributes(
            [ua.NodeId(ua.Int32(number)) for number in limits], AttributeIds.Value
        )
        namespaces, browse, read, points = (a.Value.Value if a.Value else None for a in answers)
        self._namespaces = list(namespaces or [])
        self._per_browse = min(browse or NODES_PER_BROWSE, points or NODES_PER_BROWSE,
                               NODES_PER_BROWSE)  # fmt: skip
        self._per_read = min(read or NODES_PER_READ, NODES_PER_READ)
        return self._namespaces

    async def nodes(self, root: ua.NodeId | None, depth: int | None) -> AsyncIterator[Node]:
        """Everything below a node, level by level, each node once.

        Args:
            root: Where to begin; None: the Objects folder, without the server's own objects.
            depth: Levels below it; None: all.

        Raises:
            ConfigurationError: There is no such node.
        """
        if root is None:
            self._seen |= _NOT_FOLLOWED
            root = _OBJECTS
        else:
            await self._check(root)
        self._seen.add(_key(root))
        level = [_Step(root, ())]
        below = 0
        while level and (depth is None or below < depth):
            below += 1
            deeper: list[_Step] = []
            for start in range(0, len(level), self._per_browse):
                found = await self._below(level[start : start + self._per_browse])
                deeper += [step for step, _ in found]
                for node in await self._described(found):
                    yield node
            level = deeper

    async def _check(self, root: ua.NodeId) -> None:
        (answer,) = await self._politely(
            self._session.read_attributes([root], AttributeIds.NodeClass)
        )
        if answer.StatusCode is not None and answer.StatusCode.is_bad():
            written = write_address(root, self._namespaces)
            msg = f"the server refuses {written!r} with {answer.StatusCode.name}"
            raise ConfigurationError(msg, remedy=remedy_of(answer.StatusCode.value))

    async def _below(self, steps: Sequence[_Step]) -> list[tuple[_Step, ua.ReferenceDescription]]:
        """What nodes refer to, new ones only."""
        found: list[tuple[_Step, ua.ReferenceDescription]] = []
        answers = await self._references([step.node for step in steps])
        for step, references in zip(steps, answers, strict=True):
            for reference in references:
                node = reference.NodeId
                key = _key(node)
                if (
                    getattr(node, "ServerIndex", 0) or key in self._seen
                ):  # another server's, or seen
                    continue
                self._seen.add(key)
                name = reference.BrowseName.Name or ""
                inner = ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)
                found.append((_Step(inner, (*step.path, name)), reference))
        return found

    async def _references(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """The hierarchical references of nodes, whole; none of nodes that may not be browsed."""
        parameters = ua.BrowseParameters()
        parameters.View = ua.ViewDescription()
        parameters.RequestedMaxReferencesPerNode = REFERENCES_PER_NODE
        parameters.NodesToBrowse = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences)),
                IncludeSubtypes=True,
                NodeClassMask=_MASK,
                ResultMask=_WANTED,
            )
            for node in nodes
        ]
        results = await self._politely(self._session.browse(parameters))
        found = [list(result.References or ()) for result in results]
        await self._follow(found, [result.ContinuationPoint for result in results])
        for index, result in enumerate(results):
            if result.StatusCode.value in _BUSY:
                if len(nodes) == 1:
                    result.StatusCode.check()
                found[index] = (await self._references([nodes[index]]))[0]
        return found

    async def _follow(
        self, found: list[list[ua.ReferenceDescription]], points: Sequence[bytes | None]
    ) -> None:
        """Use up continuation points, until none is left in the server."""
        waiting = [(index, point) for index, point in enumerate(points) if point]
        while waiting:
            following = ua.BrowseNextParameters()
            following.ReleaseContinuationPoints = False
            following.ContinuationPoints = [point for _, point in waiting]
            parts = await self._politely(self._session.browse_next(following))
            answers = [(i, part) for (i, _), part in zip(waiting, parts, strict=True)]
            for index, part in answers:
                part.StatusCode.check()
                found[index] += part.References or ()
            waiting = [(i, part.ContinuationPoint) for i, part in answers if part.ContinuationPoint]

    async def _described(
        self, found: Sequence[tuple[_Step, ua.ReferenceDescription]]
    ) -> list[Node]:
        """Nodes with their addresses and types; properties are left out."""
        kept = [
            (step, reference.NodeClass == ua.NodeClass.Variable)
            for step, reference in found
            if reference.ReferenceTypeId.Identifier != ObjectIds.HasProperty
        ]
        types = await self._types([step.node for step, is_value in kept if is_value])
        each = iter(types)
        return [
            Node(
                step.path,
                write_address(step.node, self._namespaces),
                next(each) if is_value else None,
            )
            for step, is_value in kept
        ]

    async def _types(self, nodes: Sequence[ua.NodeId]) -> list[str]:
        """The data types of variables; of an array with [] behind it."""
        kinds = await self._attributes(nodes, AttributeIds.DataType)
        ranks = await self._attributes(nodes, AttributeIds.ValueRank)
        return [
            self._type(kind) + ("[]" if rank is not None and rank >= _ONE_OR_MORE else "")
            for kind, rank in zip(kinds, ranks, strict=True)
        ]

    async def _attributes(self, nodes: Sequence[ua.NodeId], wanted: AttributeIds) -> list[Any]:
        """An attribute of each node; None where the server does not give it."""
        found: list[Any] = []
        for start in range(0, len(nodes), self._per_read):
            part = list(nodes[start : start + self._per_read])
            answers = await self._politely(self._session.read_attributes(part, wanted))
            found += [answer.Value.Value if answer.Value else None for answer in answers]
        return found

    def _type(self, kind: ua.NodeId | None) -> str:
        if kind is None:
            return ""
        return standard_type(write_address(kind, self._namespaces))

    async def _politely(self, request: Awaitable[T]) -> T:
        """Await an answer, and let the server rest a while."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        answer = await request
        self.requests += 1
        await asyncio.sleep(min((loop.time() - begin) * REST, _LONGEST_REST))
        return answer


def _key(node: ua.NodeId) -> tuple[int, object]:
    return (int(node.NamespaceIndex), node.Identifier)


def resolve(address: NodeAddress, namespaces: Sequence[str]) -> ua.NodeId:
    """A node id under a server's namespaces.

    Raises:
        ConfigurationError: The server has no such namespace; the nearest is named.
    """
    node = address.resolve(namespaces)
    if node is None:
        msg = f"the server has no namespace {address.namespace!r}"
        remedy = near_namespace(str(address.namespace), namespaces)
        raise ConfigurationError(msg, remedy=remedy)
    return node


async def read_node(client: Client, address: NodeAddress, written: str) -> Interpretation:
    """A node's value with its type, times and status.

    Raises:
        ConfigurationError: The server has no such namespace.
        DeviceError: It refuses to give the value.
    """
    namespaces = await Browser(client).prepare()
    node = resolve(address, namespaces)
    (data,) = await client.uaclient.session.read_attributes([node], AttributeIds.Value)
    status = data.StatusCode or ua.StatusCode(ua.UInt32(0))
    if status.is_bad():
        msg = f"the server refuses {written!r} with {status.name}"
        raise DeviceError(msg, remedy=remedy_of(status.value))
    kind = data.Value.VariantType.name if data.Value else ""
    tag = Tag(asset="asset", tag="value", address=written)
    value, quality = to_value(data.Value, signed(status.value), tag)
    note = f"source time {data.SourceTimestamp or 'none'}"
    reason = "as the server says" if quality == signed(status.value) else "has no single value"
    return Interpretation(written, kind, None, value, is_good(quality), reason, note)
