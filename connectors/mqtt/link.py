"""One connection to a broker, from connecting to letting go.

paho calls back on a thread of its own. What it receives is handed to the event loop through a
bounded queue; where that is full because Kafka is away, the thread waits, the socket is not read,
and the broker keeps what it can. What came with QoS 1 is acknowledged by `acknowledge`, so that the
broker keeps it until then.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt.client import ReceivingClient
from connectors.mqtt.message import Message, Outgoing
from connectors.mqtt.security import RefusedError, tls_context
from connectors.mqtt.settings import MqttSettings
from penstock.clock import Clock
from penstock.connector import Meter

MOST_HELD: Final = 20_000
"""Messages received and not yet read."""
MOST_AT_ONCE: Final = 2_000
LINGER_SECONDS: Final = 0.005
"""How long to gather messages before they are handed on together."""
FILTERS_PER_SUBSCRIBE: Final = 200
LETTING_GO_SECONDS: Final = 2.0
_RETAIN: Final = 0x01
_DUP: Final = 0x08
"""Bits of a PUBLISH packet's first byte (MQTT 5.0, 3.3.1)."""


class Link:
    """A connection; each is used once.

    Args:
        settings: Where the broker is and how to speak to it.
        client_id: Ours.
        clean: Whether to ask for a new session that ends with the connection.
        will: What the broker publishes for us when we vanish.
        meter: Counts requests and bytes.
        clock: Gives the time of receipt.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        clean: bool,
        will: Outgoing | None,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._clean = clean
        self._meter = meter
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._held: deque[Message] = deque()
        self._room = threading.Condition()
        self._came = asyncio.Event()
        self._woken = False
        self._closed = False
        self._error: Exception | None = None
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self.session_present = False
        """Whether the broker had kept a session of ours."""
        self._tls = tls_context(settings.tls) if settings.secure else None
        self._client = self._new_client(client_id, will)

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError: The broker cannot be reached, or TLS fails.
            RefusedError: It does not let us in.
            TimeoutError: It does not answer.
        """
        self._meter.requests += 1
        async with asyncio.timeout(self._settings.timeout.total_seconds()):
            await asyncio.to_thread(self._connect)
            self._client.loop_start()
            await self._connected

    async def subscribe(self, filters: Sequence[str], qos: int) -> dict[str, ReasonCode]:
        """Subscribe; gives the broker's refusals by filter.

        Raises:
            ConnectionError: The link is lost meanwhile.
            TimeoutError: The broker does not answer.
        """
        refused: dict[str, ReasonCode] = {}
        for first in range(0, len(filters), FILTERS_PER_SUBSCRIBE):
            chunk = filters[first : first + FILTERS_PER_SUBSCRIBE]
            codes = await self._subscribe(chunk, qos)
            pairs = zip(chunk, codes, strict=True)
            refused |= {name: code for name, code in pairs if code.is_failure}
        return refused

    async def messages(self) -> list[Message]:
        """Wait for messages; gives what came, in order.

        Raises:
            Exception: The link is lost; what had come before was handed out.
        """
        while not self._held:
            if self._error is not None:
                raise self._error
            self._came.clear()
            self._woken = False
            if not self._held and self._error is None:
                await self._came.wait()
                await asyncio.sleep(LINGER_SECONDS)
        count = min(len(self._held), MOST_AT_ONCE)
        taken = [self._held.popleft() for _ in range(count)]
        if len(self._held) + count >= MOST_HELD:
            with self._room:
                self._room.notify()
        return taken

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """Tell the broker that it need not keep messages any longer."""
        if self._error is None and not self._closed:
            for number in numbers:
                self._client.ack(number, 1)

    def publish(self, message: Outgoing) -> None:
        """Publish, without waiting until it is sent."""
        self._client.publish(message.topic, message.payload, message.qos, message.retain)

    async def close(self, last: Outgoing | None = None) -> None:
        """Say goodbye and let go; a waiting `messages` raises.

        Args:
            last: What to publish before.
        """
        if self._closed:
            return
        self._closed = True
        with self._room:
            self._room.notify()
        try:
            await asyncio.wait_for(asyncio.to_thread(self._let_go, last), LETTING_GO_SECONDS * 2)
        finally:
            self._held.clear()
            self._lose(ConnectionError("stopped"))

    def _new_client(self, client_id: str, will: Outgoing | None) -> Client:
        settings = self._settings
        v5 = settings.version == "5"
        client = ReceivingClient(
            self._on_message,
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if v5 else self._clean,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = settings.timeout.total_seconds()
        if settings.user is not None:
            password = settings.password
            client.username_pw_set(settings.user, password.get_secret_value() if password else None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    def _connect(self) -> None:
        settings = self._settings
        more: dict[str, Any] = {}
        if settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
            expiry = 0 if self._clean else round(settings.session_expiry.total_seconds())
            properties.SessionExpiryInterval = expiry
            properties.ReceiveMaximum = 65_535
            more = {"clean_start": self._clean, "properties": properties}
        keep_alive = max(1, round(settings.keep_alive.total_seconds()))
        self._client.connect(settings.host, settings.port, keep_alive, **more)

    async def _subscribe(self, filters: Sequence[str], qos: int) -> list[ReasonCode]:
        self._meter.requests += 1
        if self._settings.version == "5":
            options = SubscribeOptions(qos=qos)
            code, number = self._client.subscribe([(name, options) for name in filters])
        else:
            code, number = self._client.subscribe([(name, qos) for name in filters])
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
            raise self._error or ConnectionError(f"cannot subscribe: {code.name}")
        # The answer is handed over by this loop, later: it cannot come before it is waited for.
        answer = self._answers[number] = self._loop.create_future()
        async with asyncio.timeout(self._settings.timeout.total_seconds()):
            codes: list[ReasonCode] = await answer
        return codes

    def _let_go(self, last: Outgoing | None) -> None:
        """On a thread of its own: paho's waiting would stop the event loop."""
        client = self._client
        if last is not None and client.is_connected():
            sent = client.publish(last.topic, last.payload, last.qos, last.retain)
            try:
                sent.wait_for_publish(LETTING_GO_SECONDS)
            except (RuntimeError, ValueError):
                pass  # the link is lost: the broker publishes our will
        client.disconnect()
        client.loop_stop()
        if self._tls is not None and self._tls.last is not None:
            self._tls.last.close()

    # What follows is called on paho's thread.

    def _on_connect(
        self, _: Client, __: Any, flags: ConnectFlags, reason: ReasonCode, ___: Any
    ) -> None:
        self._call(self._welcome, flags.session_present, reason)

    def _on_subscribe(
        self, _: Client, __: Any, number: int, codes: list[ReasonCode], ___: Any
    ) -> None:
        self._call(self._answer, number, codes)

    def _on_disconnect(
        self, _: Client, __: Any, flags: DisconnectFlags, reason: ReasonCode, ___: Any
    ) -> None:
        error: Exception = ConnectionError("the connection is lost")
        if flags.is_disconnect_packet_from_server and reason.is_failure:
            error = RefusedError(reason)
        self._call(self._lose, error)

    def _on_message(self, topic: bytes, payload: bytes, header: int, number: int | None) -> None:
        self._meter.bytes_received += len(topic) + len(payload)
        received = Message(
            topic.decode(errors="replace"), payload, self._clock(),
            bool(header & _RETAIN), bool(header & _DUP), number,
        )  # fmt: skip
        if len(self._held) >= MOST_HELD:
            with self._room:
                self._room.wait_for(lambda: self._closed or len(self._held) < MOST_HELD)
        self._held.append(received)
        if not self._woken:
            self._woken = True
            self._call(self._came.set)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            pass  # the loop has ended, and with it whoever wanted to know

    # And this on the event loop.

    def _welcome(self, session_present: bool, reason: ReasonCode) -> None:
        self.session_present = session_present
        if self._connected.done():
            return
        if reason.is_failure:
            self._connected.set_exception(RefusedError(reason))
        else:
            self._connected.set_result(None)

    def _answer(self, number: int, codes: list[ReasonCode]) -> None:
        answer = self._answers.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _lose(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        waiting: list[asyncio.Future[Any]] = [self._connected, *self._answers.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(self._error)
                future.exception()  # seen, where nobody waits for it
        self._came.set()
