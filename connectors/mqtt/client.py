"""paho's client, made to receive faster.

paho reads a packet with three calls of the system and a `select`, and makes objects of it that
nobody here wants: 20,000 messages a second are more than it does on one core. So what is received
is read in large pieces, and a PUBLISH goes straight to its receiver. All else is paho's. Two of the
three methods below are not part of paho's public interface; `tests/contract` shows that they fit.
"""

from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

PIECE: Final = 65_536
"""Bytes read at once."""
_MORE: Final = 0x80
"""The bit by which a length says that another byte follows (MQTT 5.0, 1.5.5)."""

Receiver = Callable[[bytes, bytes, int, int | None], None]
"""Takes topic, payload, the first byte of the packet, and its identifier (None with QoS 0)."""


class ReceivingClient(Client):
    """A client whose messages go to `receiver`, on paho's thread.

    Args:
        receiver: Takes them.
        arguments: paho's.
    """

    def __init__(self, receiver: Receiver, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._receiver = receiver
        self._piece = b""
        self._read = 0
        self._with_properties = self._protocol == MQTTProtocolVersion.MQTTv5

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle all packets that were read, not only the first."""
        code = super().loop_read(max_packets)
        while self._read < len(self._piece) and code is MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = super().loop_read(max_packets)
        return code

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._read >= len(self._piece):
            self._piece, self._read = b"", 0
            self._piece = super()._sock_recv(PIECE)
        first = self._read
        self._read = min(first + bufsize, len(self._piece))
        return self._piece[first : self._read]

    def _handle_publish(self) -> MQTTErrorCode:
        header, packet = self._in_packet["command"], bytes(self._in_packet["packet"])
        qos = header >> 1 & 3
        try:
            end = 2 + (packet[0] << 8 | packet[1])
            topic = packet[2:end]
            number = None
            if qos:
                number = packet[end] << 8 | packet[end + 1]
                end += 2
            if self._with_properties:
                end = _after_properties(packet, end)
        except IndexError:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if qos > 1 or not topic or end > len(packet):  # we subscribe with QoS 1 at most
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._receiver(topic, packet[end:], header, number)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _after_properties(packet: bytes, at: int) -> int:
    """Where the payload begins, behind properties that nobody here wants."""
    length, shift = 0, 0
    while packet[at] & _MORE:
        length |= (packet[at] & ~_MORE) << shift
        at, shift = at + 1, shift + 7
    return at + 1 + (length | packet[at] << shift)
