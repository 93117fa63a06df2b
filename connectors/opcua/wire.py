"""What goes over the wire to an OPC UA server: counted, and only requests that change nothing."""

import asyncio
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol

from penstock.connector import Meter
from penstock.errors import DeviceError

READ_ONLY: Final = (
    ua.OpenSecureChannelRequest,
    ua.CloseSecureChannelRequest,
    ua.GetEndpointsRequest,
    ua.CreateSessionRequest,
    ua.ActivateSessionRequest,
    ua.CloseSessionRequest,
    ua.BrowseRequest,
    ua.BrowseNextRequest,
    ua.ReadRequest,
    ua.HistoryReadRequest,
    ua.CreateSubscriptionRequest,
    ua.CreateMonitoredItemsRequest,
    ua.PublishRequest,
    ua.DeleteSubscriptionsRequest,
)
"""The only services that ever leave this connector. Write, Call, HistoryUpdate, AddNodes,
DeleteNodes and their like are not among them (OPC 10000-4, 5)."""


def watch_wire(client: Client, meter: Meter, where: str) -> None:
    """Let none but `READ_ONLY` out of a new client, and count requests and bytes.

    asyncua has no hook for it; every request of its client goes through the protocol's
    `_send_request`.

    Args:
        client: Not yet connected.
        meter: Counts.
        where: The server, for errors.
    """
    make = client.uaclient._make_protocol

    def watched() -> UASocketProtocol:
        protocol = make()
        send, receive, connect = (
            protocol._send_request, protocol.data_received, protocol.connection_made
        )  # fmt: skip

        def guarded(request: Any, *args: Any, **options: Any) -> asyncio.Future[Any]:
            if not isinstance(request, READ_ONLY):
                msg = f"{type(request).__name__} is not one of the requests that only read"
                raise DeviceError(msg, where=where, remedy="this connector is read-only")
            meter.requests += 1
            return send(request, *args, **options)

        def counted(data: bytes) -> None:
            meter.bytes_received += len(data)
            receive(data)

        def connected(transport: asyncio.Transport) -> None:
            connect(_Counting(transport, meter))  # type: ignore[arg-type]  # all it needs

        protocol._send_request = guarded  # type: ignore[method-assign]
        protocol.data_received = counted  # type: ignore[method-assign]
        protocol.connection_made = connected  # type: ignore[method-assign]
        return protocol

    client.uaclient._make_protocol = watched  # type: ignore[method-assign]


class _Counting:
    """A transport that counts what is sent."""

    def __init__(self, transport: asyncio.Transport, meter: Meter) -> None:
        self._transport = transport
        self._meter = meter

    def write(self, data: bytes) -> None:
        self._meter.bytes_sent += len(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
