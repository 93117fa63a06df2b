"""What a host application knows of one Sparkplug edge node: session, sequence, aliases. Pure."""

from dataclasses import dataclass, field

from penstock.sparkplug import BD_SEQ, Metric, Payload, next_number


@dataclass(frozen=True, slots=True)
class Definition:
    """What a birth says of a metric; an empty device is the edge node itself."""

    device: str
    name: str
    datatype: int


@dataclass(slots=True)
class EdgeNode:
    """One edge node's session, from NBIRTH to NDEATH."""

    alive: bool = False
    bd_seq: int | None = None
    expected: int | None = None
    """Sequence number of its next message; None: not known."""
    devices: set[str] = field(default_factory=set)
    """Those that are alive."""
    names: dict[tuple[str, str], Definition] = field(default_factory=dict)
    """By device and name."""
    aliases: dict[int, Definition] = field(default_factory=dict)

    def born(self, payload: Payload) -> None:
        """NBIRTH: all that was known is void."""
        self.alive = True
        self.bd_seq = bd_seq(payload)
        self.devices.clear()
        self.names.clear()
        self.aliases.clear()
        self.define("", payload)

    def dies(self, payload: Payload) -> bool:
        """NDEATH; whether it is this session's and not one from before, which comes late."""
        if not self.alive or bd_seq(payload) != self.bd_seq:
            return False
        self.alive = False
        self.expected = None
        self.devices.clear()
        return True

    def define(self, device: str, payload: Payload) -> None:
        """Take in a birth's metrics, in the place of those that the device had."""
        if device:
            self.devices.add(device)
            self.names = {key: one for key, one in self.names.items() if key[0] != device}
            self.aliases = {key: one for key, one in self.aliases.items() if one.device != device}
        for metric in payload.metrics:
            definition = Definition(device, metric.name, metric.datatype)
            self.names[device, metric.name] = definition
            if metric.HasField("alias"):
                self.aliases[metric.alias] = definition

    def definition(self, device: str, metric: Metric) -> Definition | None:
        """What a metric of a DATA message is; None where no birth told."""
        if metric.HasField("alias") and not metric.name:
            return self.aliases.get(metric.alias)
        return self.names.get((device, metric.name))

    def in_sequence(self, payload: Payload) -> bool:
        """Whether a message is the next one; from it on, counting goes on."""
        if not payload.HasField("seq"):
            return False
        expected, self.expected = self.expected, next_number(payload.seq)
        return expected is None or payload.seq == expected


def bd_seq(payload: Payload) -> int | None:
    """The bdSeq of a birth or a death."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ:
            return metric.long_value or metric.int_value
    return None
