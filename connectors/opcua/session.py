"""One session with an OPC UA server and its subscription, from connecting to letting go.

asyncua's own subscription makes a task of every value change and retries a broken publish loop for
ever; this one asks for the next notification itself, one at a time. Where nobody takes what came,
it does not ask, so that the server's queues overflow (and say so), not our memory.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.ua_binary import struct_from_binary

from connectors.opcua.gaps import Gaps
from connectors.opcua.items import Item, MonitoredItems
from connectors.opcua.readings import Page
from connectors.opcua.values import Notifications
from penstock.clock import Clock
from penstock.connector import Batch, Meter, Sample

NOTIFICATIONS_PER_PUBLISH: Final = 10_000
QUEUED_PUBLISHES: Final = 8
"""Received and not yet read; with the line above, the bound of what is held here."""
LIFETIME_SECONDS: Final = 600.0
"""How long the server keeps the subscription while we ask for nothing, because Kafka is away."""
RETRY_SECONDS: Final = 30.0
"""Between two tries to get nodes that the server refused: a gateway may offer them later."""
LETTING_GO_SECONDS: Final = 2.0


class Session:
    """A session whose subscription has one monitored item for each of `items`.

    Args:
        client: A new asyncua client with its security set, not yet connected.
        items: What to subscribe to.
        notifications: Makes samples of what comes.
        meter: Counts requests, bytes and errors.
        gaps: What is missing of earlier sessions; outlives this one.
        clock: Tells when the server last said that it lives.
        publish_ms: How often the server may send.
        keep_alive_ms: How often it says that it lives where nothing changed.
    """

    def __init__(
        self,
        client: Client,
        items: Sequence[Item],
        notifications: Notifications,
        meter: Meter,
        gaps: Gaps,
        *,
        clock: Clock,
        publish_ms: float,
        keep_alive_ms: float,
    ) -> None:
        self._client = client
        self._items = MonitoredItems(client, items, notifications, meter)
        self._notifications = notifications
        self._meter = meter
        self._gaps = gaps
        self._filling: asyncio.Task[None] | None = None
        self._clock = clock
        self._publish_ms = publish_ms
        self._keep_alive_ms = keep_alive_ms
        self._queue: asyncio.Queue[list[Sample] | Page | Exception] = asyncio.Queue(
            QUEUED_PUBLISHES
        )
        self._first: list[Sample] = []
        self._task: asyncio.Task[None] | None = None
        self._protocol: UASocketProtocol | None = None
        self._dead = False

    async def open(self) -> None:
        """Connect and subscribe; nodes that the server refuses become bad samples.

        Raises:
            Exception: Whatever asyncua says: `security.explain` makes a DeviceError of it.
        """
        await self._client.connect()
        protocol = self._client.uaclient.protocol
        if protocol is None or protocol.transport is None:
            msg = "the connection was closed at once"
            raise ConnectionError(msg)
        self._protocol = protocol
        await self._subscribe(protocol)
        self._task = asyncio.create_task(self._receive(protocol))
        self._first = await self._items.create(self._id)

    async def next(self) -> Batch:
        """Wait for the next samples.

        Raises:
            Exception: The link is lost; what had come before was handed out.
        """
        if self._first:
            first, self._first = self._first, []
            return Batch(first)
        found = await self._queue.get()
        if isinstance(found, Exception):
            self._queue.put_nowait(found)  # so says every later call
            raise found
        if isinstance(found, Page):
            self._gaps.handed_on(found)
            handle, values = found.gap.handle, found.values
            return Batch(self._notifications.history(handle, values), historical=True)
        return Batch(found)

    async def close(self) -> None:
        """End subscription, session and socket; a waiting `next` raises."""
        try:
            for task in (self._filling, self._task):
                if task is not None:
                    task.cancel()
                    await asyncio.wait([task])
            if self._dead:
                _abort(self._protocol)  # there is nobody to say goodbye to
                await asyncio.sleep(0)
        finally:
            await let_go(self._client)
            _abort(self._protocol)
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(ConnectionError("stopped"))

    async def _subscribe(self, protocol: UASocketProtocol) -> None:
        alive = max(1, round(self._keep_alive_ms / self._publish_ms))
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=self._publish_ms,
            RequestedLifetimeCount=max(3 * alive, round(LIFETIME_SECONDS * 1e3 / self._publish_ms)),
            RequestedMaxKeepAliveCount=alive,
            MaxNotificationsPerPublish=NOTIFICATIONS_PER_PUBLISH,
            PublishingEnabled=True,
        )
        data = await protocol.send_request(request)
        response = struct_from_binary(ua.CreateSubscriptionResponse, data)
        response.ResponseHeader.ServiceResult.check()
        granted = response.Parameters
        self._id = granted.SubscriptionId
        interval = granted.RevisedPublishingInterval * granted.RevisedMaxKeepAliveCount / 1e3
        self._silence = 2 * interval + protocol.timeout

    async def _receive(self, protocol: UASocketProtocol) -> None:
        """Ask for one notification after the other until the link is lost."""
        received: list[ua.SubscriptionAcknowledgement] = []
        retry_at = asyncio.get_running_loop().time() + RETRY_SECONDS
        try:
            while True:
                message = await self._publish(protocol, received)
                received = []
                if message.NotificationData:
                    received = [ua.SubscriptionAcknowledgement(self._id, message.SequenceNumber)]
                    await self._take(message.NotificationData)
                if self._items.refused and asyncio.get_running_loop().time() > retry_at:
                    retry_at += RETRY_SECONDS
                    if samples := await self._items.create(self._id):
                        await self._queue.put(samples)
        except Exception as error:
            self._dead = isinstance(error, OSError)
            await self._queue.put(error)

    async def _publish(
        self, protocol: UASocketProtocol, received: list[ua.SubscriptionAcknowledgement]
    ) -> ua.NotificationMessage:
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = received
        try:
            async with asyncio.timeout(self._silence):
                data = await protocol.send_request(request, timeout=0)
        except TimeoutError:
            msg = f"nothing came for {self._silence:.1f} s, not even a keep-alive"
            raise TimeoutError(msg) from None
        response = struct_from_binary(ua.PublishResponse, data)
        response.ResponseHeader.ServiceResult.check()
        self._meter.vouched = self._clock()
        message: ua.NotificationMessage = response.Parameters.NotificationMessage
        return message

    async def _take(self, notifications: Sequence[object]) -> None:
        for notification in notifications:
            if isinstance(notification, ua.StatusChangeNotification):
                notification.Status.check()
            elif isinstance(notification, ua.DataChangeNotification):
                samples = self._notifications.samples(notification.MonitoredItems)
                self._count_overflows()
                if samples:
                    await self._queue.put(samples)
                self._note_gaps()

    def _note_gaps(self) -> None:
        lost, self._notifications.lost = self._notifications.lost, []
        self._gaps.note(lost)
        if self._gaps and (self._filling is None or (lost and self._filling.done())):
            self._filling = asyncio.create_task(
                self._gaps.fill(self._client, self._items.nodes, self._queue.put)
            )

    def _count_overflows(self) -> None:
        if lost := self._notifications.overflows:
            self._notifications.overflows = 0
            self._meter.errors += lost
            self._meter.last_error = (
                f"the server's queue overflowed for {lost} items, values between were lost there: "
                "raise subscription.queue or sampling, or lower publish"
            )


async def let_go(client: Client) -> None:
    """End a client's session and socket, whatever state they are in."""
    protocol = client.uaclient.protocol
    try:
        with suppress(Exception):  # nothing that fails here can be helped
            async with asyncio.timeout(LETTING_GO_SECONDS):
                await client.disconnect()
    finally:
        _abort(protocol)  # asyncua leaves a socket open that it believes lost


def _abort(protocol: UASocketProtocol | None) -> None:
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()
