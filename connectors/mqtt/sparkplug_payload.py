"""A Sparkplug host application: from births, data and deaths to samples. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from connectors.mqtt.edge_node import Definition, EdgeNode
from connectors.mqtt.host_state import HostState
from connectors.mqtt.last_values import LastValues
from connectors.mqtt.message import Message, Outgoing
from connectors.mqtt.metrics import supported, to_time, to_value
from connectors.mqtt.payloads import Payloads
from connectors.mqtt.rebirths import Rebirths, rebirth_request
from connectors.mqtt.settings import SparkplugSettings
from connectors.mqtt.sparkplug_address import Address, parse_address
from penstock.connector import Meter, Sample
from penstock.quality import BAD_DATA_ENCODING_INVALID, BAD_NO_COMMUNICATION, UNCERTAIN, is_good
from penstock.settings.tags import Tag
from penstock.sparkplug import (
    DataType,
    Metric,
    Payload,
    SparkplugTopic,
    parse_topic,
)
from penstock.sparkplug.topics import NAMESPACE
from penstock.units import microseconds

FIRST_REBIRTH: Final = 1_000_000
"""Microseconds that edge nodes have for being born by themselves once we are online."""
_COMMANDS: Final = frozenset({"NCMD", "DCMD"})


class SparkplugPayloads(Payloads):
    """A host application for the edge nodes of one group that tags name.

    Args:
        group: The Sparkplug group.
        host: Our host application's id.
        settings: What we may publish.
        tags: The source's tags.
        meter: Counts what is wrong, and rebirth requests.

    Raises:
        ConfigurationError: A tag's address cannot be used.
    """

    stateful = True

    def __init__(
        self,
        group: str,
        host: str,
        settings: SparkplugSettings,
        tags: Sequence[Tag],
        meter: Meter,
    ) -> None:
        self._group = group
        self._host = host
        self._settings = settings
        self._meter = meter
        self._tags: defaultdict[Address, list[Tag]] = defaultdict(list)
        for tag in tags:
            self._tags[parse_address(tag)].append(tag)
        self._nodes = {address.node: EdgeNode() for address in self._tags}
        self._values: defaultdict[tuple[str, str], LastValues] = defaultdict(LastValues)
        """By edge node and device; they outlive connections."""
        self._rebirths = Rebirths(microseconds(settings.rebirth_pause))
        self._state = HostState(host, 0)
        self._waiting: list[Outgoing] = []
        self._history: list[Sample] = []

    @property
    def filters(self) -> list[str]:
        """Our own STATE, and all of each edge node, which is less than all of the group."""
        own = [self._state.topic] if self._settings.state else []
        return own + [self._filter(node) for node in self._nodes]

    def tags(self, topic_filter: str) -> list[Tag]:
        """The tags of an edge node."""
        return [
            tag
            for address, tags in self._tags.items()
            if self._filter(address.node) == topic_filter
            for tag in tags
        ]

    def connecting(self, now: int) -> Outgoing | None:
        """Forget all sessions; what happened meanwhile nobody knows."""
        self._nodes = {node: EdgeNode() for node in self._nodes}
        self._rebirths = Rebirths(microseconds(self._settings.rebirth_pause))
        self._state = HostState(self._host, now)
        return self._state.will if self._settings.state else None

    def connected(self, now: int) -> Sequence[Outgoing]:
        """Say that we are online; ask who is not born soon."""
        for node in self._nodes:
            self._ask(node, now + FIRST_REBIRTH)
        return [self._state.birth] if self._settings.state else []

    def farewell(self, now: int) -> Outgoing | None:
        """That we go."""
        return self._state.farewell(now) if self._settings.state else None

    @property
    def due(self) -> int | None:
        """At once where something waits, else when the next edge node may be asked."""
        return 0 if self._waiting else self._rebirths.due

    def outgoing(self, now: int) -> Sequence[Outgoing]:
        """STATE where it was contradicted, and rebirth requests."""
        found, self._waiting = self._waiting, []
        while (node := self._rebirths.take(now)) is not None:
            self._meter.rebirths += 1
            found.append(rebirth_request(self._group, node, now // 1_000))
        return found

    def history(self) -> list[Sample]:
        """Of metrics marked `is_historical`: stored while the edge node was offline."""
        found, self._history = self._history, []
        return found

    def samples(self, message: Message) -> list[Sample]:
        """The samples in a message of one of our edge nodes."""
        if message.topic == self._state.topic and self._state.contradicts(message):
            self._waiting.append(self._state.birth)
        topic = parse_topic(message.topic)
        if topic is None or topic.group != self._group or topic.verb in _COMMANDS:
            return []
        node = self._nodes.get(topic.node)
        if node is None:
            return []
        if message.retained:
            self._fail(topic, "is retained, which Sparkplug forbids; it is passed over")
            return []
        return self._of_node(topic, node, message)

    def _of_node(self, topic: SparkplugTopic, node: EdgeNode, message: Message) -> list[Sample]:
        try:
            payload = Payload.FromString(message.payload)
        except DecodeError as error:
            self._fail(topic, f"is no Sparkplug B payload: {error}", rebirth_at=message.received)
            values = self._values[topic.node, topic.device]
            return values.flagged(message.received, BAD_DATA_ENCODING_INVALID)
        if topic.verb == "NDEATH":
            return self._node_death(topic, node, payload, message.received)
        return self._in_session(topic, node, payload, message.received)

    def _in_session(
        self, topic: SparkplugTopic, node: EdgeNode, payload: Payload, now: int
    ) -> list[Sample]:
        """A message that has a sequence number."""
        if topic.verb == "NBIRTH":
            return self._node_birth(topic, node, payload, now)
        if not node.alive:
            self._fail(topic, "came before an NBIRTH", rebirth_at=now)
            return []
        expected = node.expected
        if not node.in_sequence(payload):
            found = payload.seq if payload.HasField("seq") else "none"
            self._fail(topic, f"has sequence number {found}, not {expected}", rebirth_at=now)
        if topic.verb == "DBIRTH":
            return self._birth(topic, node, payload, now)
        if topic.device and topic.device not in node.devices:
            if topic.verb == "DDATA":
                self._fail(topic, "came before a DBIRTH", rebirth_at=now)
            return []
        if topic.verb == "DDEATH":
            node.devices.discard(topic.device)
            values = self._values[topic.node, topic.device]
            return values.flagged(now, BAD_NO_COMMUNICATION, payload.timestamp * 1_000)
        return self._data(topic, node, payload, now)

    def _node_birth(
        self, topic: SparkplugTopic, node: EdgeNode, payload: Payload, now: int
    ) -> list[Sample]:
        self._rebirths.settled(topic.node)
        node.born(payload)
        if not node.in_sequence(payload):
            self._fail(topic, "has no sequence number")
        if node.bd_seq is None:
            self._fail(topic, "has no bdSeq: its death will not be believed")
        return self._birth(topic, node, payload, now)

    def _birth(
        self, topic: SparkplugTopic, node: EdgeNode, payload: Payload, now: int
    ) -> list[Sample]:
        node.define(topic.device, payload)
        samples: list[Sample] = []
        born: set[str] = set()
        for metric in payload.metrics:
            definition = Definition(topic.device, metric.name, metric.datatype)
            found = self._samples(topic, definition, metric, payload, now)
            if found and not supported(metric.datatype):
                self._fail(topic, f"has {metric.name!r} of datatype {_type(metric.datatype)}, "
                           "which is not supported")  # fmt: skip
            born.update(sample.tag for sample in found)
            (self._history if metric.is_historical else samples).extend(found)
        self._name_unborn(topic, born)
        return self._values[topic.node, topic.device].born(samples, now)

    def _data(
        self, topic: SparkplugTopic, node: EdgeNode, payload: Payload, now: int
    ) -> list[Sample]:
        samples: list[Sample] = []
        for metric in payload.metrics:
            definition = node.definition(topic.device, metric)
            if definition is None:
                name = repr(metric.name) if metric.name else f"alias {metric.alias}"
                self._fail(topic, f"has {name}, which no birth told", rebirth_at=now)
            else:
                found = self._samples(topic, definition, metric, payload, now)
                (self._history if metric.is_historical else samples).extend(found)
        self._values[topic.node, topic.device].heard(samples, now)
        return samples

    def _node_death(
        self, topic: SparkplugTopic, node: EdgeNode, payload: Payload, now: int
    ) -> list[Sample]:
        devices = ["", *node.devices]
        if not node.dies(payload):
            return []
        self._rebirths.settled(topic.node)  # there is nobody to ask
        return [
            flag
            for device in devices
            for flag in self._values[topic.node, device].flagged(now, BAD_NO_COMMUNICATION)
        ]

    def _samples(
        self,
        topic: SparkplugTopic,
        definition: Definition,
        metric: Metric,
        payload: Payload,
        now: int,
    ) -> list[Sample]:
        """A metric as a sample of each tag that wants it."""
        tags = self._tags.get(Address(topic.node, definition.device, definition.name))
        if not tags:
            return []
        time, sure = to_time(metric, payload.timestamp, now)
        samples = []
        for tag in tags:
            value, quality = to_value(metric, definition.datatype, tag)
            if not sure and is_good(quality):
                quality = UNCERTAIN
            samples.append(Sample(tag.asset, tag.tag, value, time, None, quality))
        return samples

    def _name_unborn(self, topic: SparkplugTopic, born: set[str]) -> None:
        """Name tags whose metric a birth does not have: a birth has all that there will be."""
        unborn = [
            address.metric
            for address, tags in self._tags.items()
            if (address.node, address.device) == (topic.node, topic.device)
            and not born.intersection(tag.tag for tag in tags)
        ]
        if unborn:
            self._fail(topic, f"has no {unborn[0]!r}" + f" (of {len(unborn)})" * (len(unborn) > 1))

    def _ask(self, node: str, at: int) -> None:
        if self._settings.rebirth:
            self._rebirths.want(node, at)

    def _fail(self, topic: SparkplugTopic, what: str, *, rebirth_at: int | None = None) -> None:
        """Count and name what is wrong; ask for a rebirth where it helps."""
        self._meter.errors += 1
        self._meter.last_error = f"{topic} {what}"[:300]
        if rebirth_at is not None:
            self._ask(topic.node, rebirth_at)

    def _filter(self, node: str) -> str:
        return f"{NAMESPACE}/{self._group}/+/{node}/#"


def _type(datatype: int) -> str:
    return DataType(datatype).name if datatype in set(DataType) else str(datatype)
