"""Topics of Sparkplug B (Eclipse Sparkplug 3.0.0, chapter 4)."""

from typing import Final, NamedTuple

NAMESPACE: Final = "spBv1.0"
_NODE_LEVELS: Final = 4
_DEVICE_LEVELS: Final = 5


class SparkplugTopic(NamedTuple):
    """`spBv1.0/group/verb/node`, or `…/node/device`; an empty device is the edge node itself."""

    group: str
    verb: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        text = f"{NAMESPACE}/{self.group}/{self.verb}/{self.node}"
        return f"{text}/{self.device}" if self.device else text


def parse_topic(topic: str) -> SparkplugTopic | None:
    """The parts of an edge node's or a device's topic; None for all others.

    >>> parse_topic("spBv1.0/Stamping/DDATA/Edge1/Packer01")
    SparkplugTopic(group='Stamping', verb='DDATA', node='Edge1', device='Packer01')
    >>> parse_topic("spBv1.0/STATE/penstock") is None
    True
    """
    levels = topic.split("/")
    if levels[0] != NAMESPACE or not all(levels):
        return None
    of_node = len(levels) == _NODE_LEVELS and levels[2].startswith("N")
    of_device = len(levels) == _DEVICE_LEVELS and levels[2].startswith("D")
    return SparkplugTopic(*levels[1:]) if of_node or of_device else None


def state_topic(host: str) -> str:
    """Where a host application says whether it is online.

    >>> state_topic("penstock")
    'spBv1.0/STATE/penstock'
    """
    return f"{NAMESPACE}/STATE/{host}"
