"""STATE: how a Sparkplug host application says that it is online (Sparkplug 3.0.0, chapter 5)."""

import json

from connectors.mqtt.message import Message, Outgoing
from penstock.sparkplug import state_topic


class HostState:
    """Our STATE messages of one connection.

    Args:
        host: The host application's id.
        now: When the connection is made, microseconds.
    """

    def __init__(self, host: str, now: int) -> None:
        self.topic = state_topic(host)
        self._connected = now // 1_000

    @property
    def will(self) -> Outgoing:
        """What the broker publishes when we vanish."""
        return self._message(self._connected, online=False)

    @property
    def birth(self) -> Outgoing:
        """That we are online, with the will's time stamp."""
        return self._message(self._connected, online=True)

    def farewell(self, now: int) -> Outgoing:
        """That we go."""
        return self._message(now // 1_000, online=False)

    def contradicts(self, message: Message) -> bool:
        """Whether a STATE message on our topic says that we are offline: a late will."""
        try:
            data = json.loads(message.payload)
        except (ValueError, RecursionError):
            return True
        return not isinstance(data, dict) or data.get("online") is not True

    def _message(self, timestamp: int, *, online: bool) -> Outgoing:
        payload = json.dumps({"online": online, "timestamp": timestamp}).encode()
        return Outgoing(self.topic, payload, qos=1, retain=True)
