"""Sparkplug metrics as tag lists write them."""

from typing import NamedTuple

from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag


class Address(NamedTuple):
    """A metric; an empty device is the edge node itself."""

    node: str
    device: str
    metric: str


def parse_address(tag: Tag) -> Address:
    """Read `node/device/metric`, or `node//metric` for a metric of the edge node itself.

    >>> parse_address(Tag(asset="a", tag="t", address="Edge1/Packer01/Drive/Speed"))
    Address(node='Edge1', device='Packer01', metric='Drive/Speed')

    Raises:
        ConfigurationError: It is none; the tag's line is named.
    """
    node, _, rest = tag.address.partition("/")
    device, separator, metric = rest.partition("/")
    if not node or not separator or not metric or set(node + device) & {"+", "#"}:
        msg = f"address: {tag.address!r} names no edge node, device and metric"
        remedy = "write node/device/metric, or node//metric for one of the edge node itself"
        raise ConfigurationError(msg, where=tag.where or None, remedy=remedy)
    return Address(node, device, metric)
