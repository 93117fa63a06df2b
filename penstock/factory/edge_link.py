"""A Sparkplug edge node's connection to its broker, as far as the factory needs it.

The edge node has a primary host: it speaks while the host's STATE says online.
"""

import json
from contextlib import suppress
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from penstock.sparkplug import (
    BD_SEQ,
    REBIRTH,
    DataType,
    Metric,
    Payload,
    SparkplugTopic,
    next_number,
    state_topic,
)

_KEEP_ALIVE: Final = 10
_GOODBYE_SECONDS: Final = 1.0


class EdgeLink:
    """One connection with its session; each is used once.

    paho calls back on its own thread; what it notes here are single values.

    Args:
        group: The edge node's group.
        node: Its id.
        host: Its primary host's id.
        bd_seq: Number of the session.
    """

    def __init__(self, group: str, node: str, host: str, bd_seq: int) -> None:
        self._group, self._node = group, node
        self._state = state_topic(host)
        self._bd_seq = Metric(name=BD_SEQ, datatype=DataType.INT64, long_value=bd_seq)
        self._seq = 0
        self._connected = False
        self._online = False
        self._since = 0
        self.rebirth = False
        """Whether the host asked for a rebirth since this was last set."""
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            f"{group}-{node}",
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.will_set(str(self._topic("NDEATH")), self._death(), 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._connected

    @property
    def online(self) -> bool:
        """Whether the host is there, too."""
        return self._connected and self._online

    def connect(self, port: int) -> None:
        """Connect to a broker on this machine.

        Raises:
            OSError: It is not there.
        """
        self._client.connect("127.0.0.1", port, _KEEP_ALIVE)
        self._connected = True
        self._client.loop_start()

    def birth(self, metrics: list[Metric], time: int) -> bool:
        """NBIRTH, as all births: with the session's number and the way to ask for another."""
        self.rebirth = False
        self._seq = 0
        rebirth = Metric(name=REBIRTH, datatype=DataType.BOOLEAN, boolean_value=False)
        own = [self._bd_seq, rebirth]
        for metric in own:
            metric.timestamp = time
        return self.send("NBIRTH", [*own, *metrics], time)

    def send(self, verb: str, metrics: list[Metric], time: int, device: str = "") -> bool:
        """Publish a message with the next sequence number; whether the connection took it.

        Args:
            verb: As NDATA.
            metrics: What it says.
            time: Milliseconds since 1970-01-01 UTC.
            device: Empty: the edge node itself.
        """
        payload = Payload(timestamp=time, metrics=metrics, seq=self._seq)
        self._seq = next_number(self._seq)
        topic = str(self._topic(verb, device))
        sent = self._client.publish(topic, payload.SerializeToString(), 0)
        return sent.rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    def close(self) -> None:
        """Die in order: NDEATH, then DISCONNECT."""
        if self._connected:
            sent = self._client.publish(str(self._topic("NDEATH")), self._death(), 1)
            with suppress(RuntimeError, ValueError):  # the connection is lost: our will says it
                sent.wait_for_publish(_GOODBYE_SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def _topic(self, verb: str, device: str = "") -> SparkplugTopic:
        return SparkplugTopic(self._group, verb, self._node, device)

    def _death(self) -> bytes:
        return Payload(metrics=[self._bd_seq]).SerializeToString()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([(str(self._topic("NCMD")), 1), (self._state, 1)])

    def _on_disconnect(self, *_: Any) -> None:
        self._connected = False

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        if message.topic == self._state:
            state = json.loads(message.payload)
            if state["timestamp"] >= self._since:
                self._since, self._online = state["timestamp"], state["online"]
        elif message.topic == str(self._topic("NCMD")):
            metrics = Payload.FromString(bytes(message.payload)).metrics
            self.rebirth |= any(one.name == REBIRTH and one.boolean_value for one in metrics)
