"""An edge node for tests: says what a test wants it to say, right or wrong."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mqtt_broker import Peer

from penstock.sparkplug import (
    BD_SEQ,
    REBIRTH,
    DataType,
    Metric,
    Payload,
    SparkplugTopic,
    next_number,
)

GROUP = "Stamping"
NODE = "Edge1"
Function = TypeVar("Function", bound=Callable[..., object])


def clause(*ids: str) -> Callable[[Function], Function]:
    """Names the clauses of the specification that a test is about; the documentation lists them."""

    def mark(function: Function) -> Function:
        return function

    return mark


def metric(
    name: str | None,
    value: float | bool | str | None,
    datatype: DataType | None = DataType.DOUBLE,
    *,
    alias: int | None = None,
    at: int | None = None,
    **more: Any,
) -> Metric:
    """A metric; without a datatype as in DATA."""
    fields: dict[str, Any] = {"name": name, "alias": alias, "timestamp": at or now_ms(), **more}
    if datatype is not None:
        fields["datatype"] = datatype
    if value is None:
        fields["is_null"] = True
    elif isinstance(value, bool):
        fields["boolean_value"] = value
    elif isinstance(value, str):
        fields["string_value"] = value
    elif isinstance(value, int):
        fields["int_value"] = value & 0xFFFFFFFF
    else:
        fields["double_value"] = value
    return Metric(**{key: field for key, field in fields.items() if field is not None})


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class TestEdge:
    """Publishes as one edge node; counts its sequence unless told otherwise.

    Args:
        peer: Its connection.
        bd_seq: Number of its session.
    """

    __test__ = False

    def __init__(self, peer: Peer, bd_seq: int = 0, node: str = NODE) -> None:
        self.peer = peer
        self.bd_seq = bd_seq
        self.seq = 0
        self.node = node

    async def send(
        self,
        verb: str,
        metrics: Sequence[Metric] = (),
        device: str = "",
        *,
        seq: int | None = None,
        at: int | None = None,
    ) -> None:
        """Publish a message with the next sequence number, or with another one."""
        number = self.seq if seq is None else seq
        self.seq = next_number(number)
        payload = Payload(timestamp=at or now_ms(), metrics=metrics, seq=number)
        if verb == "NDEATH":
            payload.ClearField("seq")
        await self.raw(verb, payload.SerializeToString(), device)

    async def raw(self, verb: str, payload: bytes, device: str = "", **how: Any) -> None:
        """Publish any bytes."""
        topic = SparkplugTopic(GROUP, verb, self.node, device)
        await self.peer.publish(str(topic), payload, **how)

    async def nbirth(self, *metrics: Metric, seq: int = 0) -> None:
        """Be born."""
        own = [
            metric(BD_SEQ, self.bd_seq, DataType.INT64),
            metric(REBIRTH, False, DataType.BOOLEAN),
        ]
        own[0].long_value = self.bd_seq
        await self.send("NBIRTH", [*own, *metrics], seq=seq)

    async def ndeath(self, bd_seq: int | None = None) -> None:
        """Die, as the broker would say it."""
        await self.send("NDEATH", death(self.bd_seq if bd_seq is None else bd_seq).metrics)

    async def ddata(self, *metrics: Metric, device: str = "press07", **how: Any) -> None:
        """Report of a device."""
        await self.send("DDATA", metrics, device, **how)

    async def dbirth(self, values: Mapping[str, Any], device: str = "press07") -> None:
        """Bear a device; aliases count from 1."""
        types = {bool: DataType.BOOLEAN, str: DataType.STRING, int: DataType.INT32}
        metrics = [
            metric(name, value, types.get(type(value), DataType.DOUBLE), alias=alias)
            for alias, (name, value) in enumerate(values.items(), 1)
        ]
        await self.send("DBIRTH", metrics, device)


def death(bd_seq: int) -> Payload:
    """The payload of an NDEATH."""
    return Payload(
        timestamp=now_ms(),
        metrics=[Metric(name=BD_SEQ, datatype=DataType.INT64, long_value=bd_seq)],
    )
