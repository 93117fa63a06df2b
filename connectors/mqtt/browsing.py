"""What a Sparkplug group has, as its births tell: edge nodes, their devices, and metrics.

Births are not retained. So one listens, and asks each edge node that speaks, or that is named, to
be born again, where settings allow it. A broker that knows Sparkplug keeps births under
`$sparkplug/certificates/` (Eclipse Sparkplug 3.0.0, 10.1.3), and gives them at once.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from google.protobuf.message import DecodeError

from connectors.mqtt.link import Link
from connectors.mqtt.message import Message
from connectors.mqtt.metrics import supported, to_value
from connectors.mqtt.rebirths import SPACING, rebirth_request
from penstock.clock import Clock
from penstock.commissioning.offers import Node
from penstock.connector import Meter
from penstock.errors import ConfigurationError, DeviceError
from penstock.quality import is_good
from penstock.settings.tags import Tag
from penstock.sparkplug import (
    BD_SEQ,
    DataType,
    Metric,
    Payload,
    SparkplugTopic,
    parse_topic,
)
from penstock.sparkplug.topics import NAMESPACE

LISTEN_SECONDS: Final = 10.0
"""How long to listen for edge nodes, whatever comes."""
_KEPT: Final = "$sparkplug/certificates/"
_CONTROL: Final = "Node Control/"
"""Metrics of the protocol, not of the plant."""


class Births:
    """The births of one group; whoever has spoken without one waits for it.

    Args:
        group: Of the edge nodes.
        only: An edge node, if no other is asked for.
        device: A device of it, if no other is; "" is the edge node itself.
    """

    def __init__(self, group: str, only: str | None = None, device: str | None = None) -> None:
        self.group = group
        self._only = only
        self._device = device
        self._born: dict[str, dict[str, Payload]] = {}
        """By edge node and device; no device is the edge node itself."""
        self.unborn: dict[str, None] = {} if only is None else {only: None}
        """Edge nodes of which no birth came yet."""

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        below = f"{NAMESPACE}/{self.group}/+/{self._only or '+'}"
        return [f"{prefix}{below}{end}" for prefix in ("", _KEPT) for end in ("", "/+")]

    def take(self, message: Message) -> None:
        """Take note of a message."""
        topic = parse_topic(message.topic.removeprefix(_KEPT))
        if topic is None or topic.verb in {"NCMD", "DCMD"}:
            return
        if topic.verb in {"NBIRTH", "DBIRTH"}:
            self._birth(topic, message.payload)
        elif topic.verb == "NDEATH":
            self.unborn.pop(topic.node, None)  # there is nobody to ask
        elif topic.node not in self._born:
            self.unborn[topic.node] = None

    def nodes(self, depth: int | None = None) -> Iterator[Node]:
        """Edge nodes, then what they and their devices have; `depth` levels, or all."""
        begin = 1 + (self._only is not None) + bool(self._device)
        for node in self._all():
            if depth is None or len(node.path) - begin <= depth:
                yield node

    def _all(self) -> Iterator[Node]:
        for name in sorted({*self._born, *self.unborn}):
            yield Node((self.group, name), name)
            for device, payload in sorted(self._born.get(name, {}).items()):
                if self._device is None or device == self._device:
                    yield from _device(self.group, name, device, payload)

    def _birth(self, topic: SparkplugTopic, payload: bytes) -> None:
        try:
            birth = Payload.FromString(payload)
        except DecodeError:
            return
        if topic.verb == "NBIRTH":
            self.unborn.pop(topic.node, None)
        self._born.setdefault(topic.node, {})[topic.device] = birth


def _device(group: str, node: str, device: str, birth: Payload) -> Iterator[Node]:
    """A device and its metrics, or an edge node's own metrics."""
    path = (group, node, device) if device else (group, node)
    if device:
        yield Node(path, f"{node}/{device}")
    for metric in birth.metrics:
        if metric.name != BD_SEQ and not metric.name.startswith(_CONTROL):
            yield _metric(path, f"{node}/{device}/{metric.name}", metric)


def _metric(path: tuple[str, ...], address: str, metric: Metric) -> Node:
    """A metric; one of a datatype without a single value cannot be a tag, and has no type."""
    known = supported(metric.datatype)
    value, quality = to_value(metric, metric.datatype, _ANY)
    return Node(
        (*path, metric.name),
        address,
        DataType(metric.datatype).name.lower() if known else None,
        unit=_property(metric, "engUnit"),
        description=metric.metadata.description or None,
        value=value if known and is_good(quality) else None,
    )


_ANY: Final = Tag(asset="any", tag="any", address="any//any")


def _property(metric: Metric, name: str) -> str | None:
    for key, found in zip(metric.properties.keys, metric.properties.values, strict=False):
        if key == name and found.string_value:
            return str(found.string_value)
    return None


def parse_root(root: str) -> tuple[str, str | None]:
    """Read `node` or `node/device`; the edge node itself is the device "".

    >>> parse_root("Edge1"), parse_root("Edge1/Packer01")
    (('Edge1', None), ('Edge1', 'Packer01'))

    Raises:
        ConfigurationError: It is neither.
    """
    node, separator, device = root.partition("/")
    if not node or set(root) & {"+", "#"} or "/" in device:
        msg = f"{root!r} is no edge node, and no device of one"
        raise ConfigurationError(msg, where="--root", remedy="write node, or node/device")
    return node, device if separator else None


async def listen(link: Link, births: Births, meter: Meter, clock: Clock, *, ask: bool) -> None:
    """Gather births for a while.

    Args:
        link: Open, and not subscribed to anything yet.
        births: Takes them.
        meter: Counts the requests.
        clock: Stamps them.
        ask: Whether edge nodes may be asked to be born again, each once.

    Raises:
        DeviceError: The broker refuses the subscription, or nobody has spoken.
        Exception: The link is lost.
    """
    refused = await link.subscribe(births.filters[:2], 0)
    await link.subscribe(births.filters[2:], 0)  # few brokers know them, and some refuse
    if refused:
        topic, code = next(iter(refused.items()))
        msg = f"the broker refuses the subscription to {topic}: {code}"
        raise DeviceError(msg, remedy="let the user read it in the broker's access rules")
    asked: set[str] = set()
    try:
        async with asyncio.timeout(LISTEN_SECONDS):
            while True:
                for node in births.unborn.keys() - asked if ask else ():
                    asked.add(node)
                    meter.rebirths += 1
                    link.publish(rebirth_request(births.group, node, clock() // 1_000))
                    await asyncio.sleep(SPACING / 1e6)
                for message in await link.messages():
                    births.take(message)
    except TimeoutError:
        pass
    if not any(births.nodes()):
        msg = f"no edge node of group {births.group!r} said anything for {LISTEN_SECONDS:.0f} s"
        remedy = "check the group; try again when an edge node starts, or with --root NODE"
        raise DeviceError(msg, remedy=remedy)
