"""What is asked of an OPC UA server for each tag, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from connectors.opcua.nodes import NodeAddress, near_namespace
from connectors.opcua.values import Notifications
from penstock.connector import Meter, Sample

ITEMS_PER_CALL: Final = 500
_NOT_FILTERED: Final = frozenset(
    {
        StatusCodes.BadFilterNotAllowed,
        StatusCodes.BadMonitoredItemFilterInvalid,
        StatusCodes.BadMonitoredItemFilterUnsupported,
        StatusCodes.BadDeadbandFilterInvalid,
    }
)


@dataclass(frozen=True, slots=True)
class Item:
    """What is asked for one tag; its place in the list of items is its client handle."""

    name: str
    address: NodeAddress
    sampling_ms: float
    queue: int
    trigger: ua.DataChangeTrigger
    deadband: float | None
    """Absolute, in the device's own units."""

    def request(
        self, handle: int, node: ua.NodeId, *, plain: bool
    ) -> ua.MonitoredItemCreateRequest:
        """The request for it; `plain` leaves the filter away, for nodes that cannot be filtered."""
        parameters = ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=self.sampling_ms,
            QueueSize=self.queue,
            DiscardOldest=True,
        )
        if not plain and (self.deadband or self.trigger != ua.DataChangeTrigger.StatusValue):
            kind = ua.DeadbandType.Absolute if self.deadband else ua.DeadbandType.None_
            parameters.Filter = ua.DataChangeFilter(self.trigger, kind, self.deadband or 0.0)
        read = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
        return ua.MonitoredItemCreateRequest(read, ua.MonitoringMode.Reporting, parameters)


class MonitoredItems:
    """The monitored items of one subscription.

    Args:
        client: Connected, or about to be.
        items: What to monitor.
        notifications: Makes samples of refusals.
        meter: Counts requests and errors.
    """

    def __init__(
        self,
        client: Client,
        items: Sequence[Item],
        notifications: Notifications,
        meter: Meter,
    ) -> None:
        self._client = client
        self._items = items
        self._notifications = notifications
        self._meter = meter
        self._id = 0
        self._strange: set[str] = set()
        self._namespaces: list[str] = []
        self.nodes: dict[int, ua.NodeId] = {}
        """The node of each handle, as the server numbers its namespaces today."""
        self.refused: dict[int, int] = dict.fromkeys(range(len(items)), 0)
        """Handle and status of each item that is not monitored; 0 where it was not yet tried."""

    async def create(self, subscription: int) -> list[Sample]:
        """Try to create all items that are not there; a bad sample for each new refusal.

        Raises:
            Exception: The link is lost, or the server answers nonsense.
        """
        self._id = subscription
        namespaces, per_call = await self._facts()
        nodes = {
            handle: node
            for handle in self.refused
            if (node := self._items[handle].address.resolve(namespaces)) is not None
        }
        self.nodes |= nodes
        self._strange = {
            str(self._items[handle].address.namespace)
            for handle in self.refused.keys() - nodes.keys()
        }
        self._namespaces = namespaces
        status = dict.fromkeys(self.refused, int(StatusCodes.BadNodeIdUnknown))
        status |= await self._create(nodes, per_call, plain=False)
        unfiltered = {handle: nodes[handle] for handle in nodes if status[handle] in _NOT_FILTERED}
        status |= await self._create(unfiltered, per_call, plain=True)
        new = {handle: code for handle, code in status.items() if code != self.refused[handle]}
        self.refused = {handle: code for handle, code in status.items() if code}
        return self._report({handle: code for handle, code in new.items() if code})

    def _report(self, refused: dict[int, int]) -> list[Sample]:
        if refused:
            handle, code = next(iter(refused.items()))
            name, status = self._items[handle].name, ua.StatusCode(ua.UInt32(code)).name
            self._meter.errors += len(refused)
            text = f"{len(refused)} tags refused, the first {name}: {status}"
            self._meter.last_error = "; ".join([text, *self._strangers()])
        return self._notifications.refused(refused)

    def _strangers(self) -> list[str]:
        """What to say of namespaces that the server does not have."""
        return [
            f"the server has no namespace {name!r}: {near_namespace(name, self._namespaces)}"
            for name in sorted(self._strange)
        ]

    async def _facts(self) -> tuple[list[str], int]:
        """The server's namespaces today, and how many items it takes per call."""
        wanted = (
            ObjectIds.Server_NamespaceArray,
            ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
        )
        nodes = [ua.NodeId(ua.Int32(number)) for number in wanted]
        values = await self._client.uaclient.session.read_attributes(nodes, AttributeIds.Value)
        namespaces, limit = (value.Value.Value if value.Value else None for value in values)
        return namespaces or [], min(limit or ITEMS_PER_CALL, ITEMS_PER_CALL)

    async def _create(
        self, nodes: dict[int, ua.NodeId], per_call: int, *, plain: bool
    ) -> dict[int, int]:
        """The server's status for each item asked for; 0 where it is monitored now."""
        requests = [
            self._items[handle].request(handle, node, plain=plain) for handle, node in nodes.items()
        ]
        statuses: dict[int, int] = {}
        for start in range(0, len(requests), per_call):
            chunk = requests[start : start + per_call]
            results = await self._client.uaclient.session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(self._id, ua.TimestampsToReturn.Both, chunk)
            )
            for request, result in zip(chunk, results, strict=True):
                status = result.StatusCode
                handle = request.RequestedParameters.ClientHandle
                statuses[handle] = 0 if status.is_good() else status.value
        return statuses
