"""The PLC that speaks Sparkplug B: an edge node with a device for each machine.

Every cycle it publishes what changed, with the cycle's time, while broker and primary host are
there; after a break it is born again with all current values. QoS 0 has no acknowledgement: what
went out shortly before a break may have been lost, and the truth says so.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from penstock.factory import nodes
from penstock.factory.device import Device
from penstock.factory.edge_link import EdgeLink
from penstock.factory.layout import GROUP, NODE
from penstock.factory.machine import FIELDS, Machine
from penstock.factory.truth import Group
from penstock.sparkplug import DataType, Metric

_CATCH_UP: Final = 20
"""Cycles that a late PLC makes up for; beyond, it goes on with the present one."""
_RETRY: Final = 5
"""Cycles between two tries to reach the broker."""
_UNSURE: Final = 20
"""Cycles before a break that may not have arrived."""
_TYPES: Final = {
    "String": (DataType.STRING, "string_value"),
    "UInt32": (DataType.UINT32, "int_value"),
    "Int32": (DataType.INT32, "int_value"),
    "Float": (DataType.FLOAT, "float_value"),
    "Double": (DataType.DOUBLE, "double_value"),
}


class _Machine:
    """One machine's metrics; the alias is a number of its own within the edge node."""

    def __init__(self, index: int, machine: Machine) -> None:
        self.device = machine.place.name
        self._machine = machine
        self._types = [_TYPES[name] for name in nodes.types(machine)]
        self._steps = [10.0**signal.decimals for signal in machine.sensors.signals]
        names = [field.name for field in FIELDS]
        self._names = names + [signal.name for signal in machine.sensors.signals]
        self._first = index * 1_000
        self._last: list[nodes.Value] = []

    def values(self, cycle: int) -> list[nodes.Value]:
        """All values of a cycle."""
        return nodes.values(self._machine.read(cycle), self._steps)

    def changed(self, values: list[nodes.Value]) -> list[int]:
        """Indexes of the values that are others than last time."""
        last, self._last = self._last, values
        return [tag for tag, value in enumerate(values) if not last or value != last[tag]]

    def metric(self, tag: int, value: nodes.Value, time: int, *, birth: bool) -> Metric:
        """One value as a birth or data tell it."""
        datatype, field = self._types[tag]
        named: dict[str, Any] = {field: value, "alias": self._first + tag, "timestamp": time}
        if birth:
            named |= {"name": self._names[tag], "datatype": datatype}
        return Metric(**named)


class EdgeNode:
    """All machines of a line as one edge node.

    Args:
        device: What it has in common with the other PLCs.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._machines = [_Machine(index, one) for index, one in enumerate(device.machines)]
        self._bd_seq = int(time.time()) % 256  # another one than the last process had
        self._link: EdgeLink | None = None
        self._born = False
        self._sent: deque[tuple[int, int]] = deque(maxlen=_UNSURE * len(self._machines))
        """Machine and cycle of what went out last."""

    def publish(self, cycle: int) -> None:
        """Publish a cycle, if somebody is there."""
        link = self._reached(cycle)
        if link is None or not link.online:
            self._break_off(cycle)
            return
        milliseconds = self._device.time(cycle) // 1_000
        birth = not self._born or link.rebirth
        if birth:
            link.birth([], milliseconds)
        messages = list(self._messages(cycle, milliseconds, birth=birth))
        if messages:
            self._device.truth.samples([group for _, _, group in messages])
            self._sent.extend((group[0], group[1]) for _, _, group in messages)
        for name, metrics, _ in messages:
            link.send("DBIRTH" if birth else "DDATA", metrics, milliseconds, name)
        self._born = True

    def close(self) -> None:
        """Die in order."""
        if self._link is not None:
            self._link.close()

    def _messages(
        self, cycle: int, milliseconds: int, *, birth: bool
    ) -> Iterator[tuple[str, list[Metric], Group]]:
        """Device, metrics and what the truth is told, of each machine that has something to say."""
        for index, machine in enumerate(self._machines):
            values = machine.values(cycle)
            changed = machine.changed(values)
            tags = range(len(values)) if birth else changed
            if tags:
                chosen = [values[tag] for tag in tags]
                metrics = [
                    machine.metric(tag, value, milliseconds, birth=birth)
                    for tag, value in zip(tags, chosen, strict=True)
                ]
                yield machine.device, metrics, (index, cycle, chosen, list(tags))

    def _reached(self, cycle: int) -> EdgeLink | None:
        """The connection, made anew where it was lost."""
        if self._link is not None and not self._link.connected:
            self._link.close()
            self._link = None
        if self._link is None and cycle % _RETRY == 0:
            self._bd_seq = (self._bd_seq + 1) % 256
            link = EdgeLink(GROUP, NODE, f"penstock-{self._device.line.plc}", self._bd_seq)
            try:
                link.connect(self._device.port)
            except OSError:
                return None
            self._link = link
        return self._link

    def _break_off(self, cycle: int) -> None:
        """Nobody is there: what went out just before may have been lost."""
        if self._born:
            unsure = [one for one in self._sent if one[1] > cycle - _UNSURE]
            self._device.truth.unsure(unsure)
        self._born = False


async def serve(device: Device, stop: asyncio.Event) -> None:
    """Publish until asked to stop."""
    edge = EdgeNode(device)
    done = device.cycle()
    device.ready()
    try:
        while not stop.is_set():
            await asyncio.sleep(device.until(done + 1))
            present = device.cycle()
            for cycle in range(max(done + 1, present - _CATCH_UP), present + 1):
                device.truth.advance(cycle)
                edge.publish(cycle)
                if cycle % 10 == 0:
                    device.truth.reached(cycle)
            done = max(done, present)
        device.freeze(done)
    finally:
        await asyncio.to_thread(edge.close)
