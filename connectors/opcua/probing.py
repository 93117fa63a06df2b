"""What an OPC UA server says of itself and of our tags, asked in one session that only reads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlparse

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from connectors.opcua.items import Item
from connectors.opcua.nodes import near_namespace
from connectors.opcua.values import microseconds, to_value
from penstock.clock import Clock
from penstock.commissioning.plausible import outside
from penstock.errors import ConfigurationError, DeviceError, PenstockError
from penstock.quality import BAD_TYPE_MISMATCH, signed
from penstock.settings.tags import Tag
from penstock.strangers import stranger

READS_PER_CALL: Final = 500
CLOCK_SKEW: Final = 2_000_000
"""Microseconds by which a server's clock may be off before it is a problem."""
_HELLO_LIMITS: Final = (65535).to_bytes(4, "little") * 2 + bytes(8)
_CHECK: Final = "check address, scale and offset, and low and high"


def hello(url: str) -> bytes:
    """The message with which a client opens (OPC 10000-6, 7.1.2.3)."""
    text = url.encode()
    body = bytes(4) + _HELLO_LIMITS + len(text).to_bytes(4, "little") + text
    return b"HELF" + (len(body) + 8).to_bytes(4, "little") + body


async def check_protocol(url: str) -> None:
    """Find out whether something else than an OPC UA server answers at a URL.

    Raises:
        DeviceError: It does.
    """
    parts = urlparse(url)
    found = await stranger(parts.hostname or "", parts.port or 0, hello(url), "an OPC UA server")
    if found:
        remedy = (
            "correct the port in url: OPC UA servers mostly listen on 4840; its security is "
            "chosen by security.policy and security.mode, not by TLS"
        )
        msg = f"{found}, no OPC UA server"
        raise DeviceError(msg, where=url, remedy=remedy)


class Examination:
    """One look at a server.

    Args:
        client: In a session.
        clock: Ours.
        url: The server, for errors.
    """

    def __init__(self, client: Client, clock: Clock, url: str) -> None:
        self._client = client
        self._clock = clock
        self._url = url
        self.details: dict[str, str] = {}
        self.problems: list[PenstockError] = []
        self.namespaces: list[str] = []
        self._per_call = READS_PER_CALL

    async def server(self) -> None:
        """Product, namespaces, limits and clock."""
        wanted = {
            "namespaces": ObjectIds.Server_NamespaceArray,
            "product": ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
            "version": ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
            "started": ObjectIds.Server_ServerStatus_StartTime,
            "clock": ObjectIds.Server_ServerStatus_CurrentTime,
            "reads": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
        }
        begin = self._clock()
        values = await self.read([ua.NodeId(ua.Int32(number)) for number in wanted.values()])
        middle = (begin + self._clock()) // 2
        found = {name: value for name, (value, _) in zip(wanted, values, strict=True)}
        self.namespaces = list(found["namespaces"] or [])
        self._per_call = min(found["reads"] or READS_PER_CALL, READS_PER_CALL)
        self.details["namespaces"] = ", ".join(self.namespaces[1:])
        product = [str(found[key]) for key in ("product", "version") if found[key]]
        if product:
            self.details["product"] = " ".join(product)
        if isinstance(found["clock"], datetime):
            self._judge_clock(found["clock"], middle)

    def _judge_clock(self, time: datetime, ours: int) -> None:
        theirs = microseconds(time)
        if theirs is None:
            return
        skew = theirs - ours
        self.details["clock"] = f"{skew / 1e6:+.3f} s beside ours"
        if abs(skew) > CLOCK_SKEW:
            way = "ahead of" if skew > 0 else "behind"
            msg = f"the server's clock is {abs(skew) / 1e6:.1f} s {way} ours"
            remedy = (
                "let both follow one NTP server: its time stamps become the samples' times, and "
                "certificates are judged by it"
            )
            self.problems.append(DeviceError(msg, where=self._url, remedy=remedy))

    async def tags(self, tags: Sequence[Tag], items: Sequence[Item]) -> None:
        """Read every tag once, and say which cannot be read or are outside their range."""
        nodes: list[tuple[Tag, ua.NodeId]] = []
        strange: dict[str | int, list[Tag]] = {}
        for tag, item in zip(tags, items, strict=True):
            if (node := item.address.resolve(self.namespaces)) is None:
                strange.setdefault(item.address.namespace, []).append(tag)
            else:
                nodes.append((tag, node))
        for namespace, of in strange.items():
            self.problems.append(unknown_namespace(str(namespace), self.namespaces, of))
        refused: dict[int, list[Tag]] = {}
        unfit = 0
        for start in range(0, len(nodes), self._per_call):
            part = nodes[start : start + self._per_call]
            answers = await self._answers([node for _, node in part])
            for (tag, _), data in zip(part, answers, strict=True):
                status = data.StatusCode.value if data.StatusCode else 0
                if status >> 31:
                    refused.setdefault(status, []).append(tag)
                elif problem := _unfit(tag, data.Value, status):
                    unfit += 1
                    self.problems.append(problem)
                elif data.Value and (problem := outside(tag, data.Value.Value, _CHECK)):
                    self.problems.append(problem)
        self.problems += [_refused(status, of) for status, of in refused.items()]
        if tags:
            bad = sum(map(len, strange.values())) + sum(map(len, refused.values())) + unfit
            self.details["tags"] = f"{len(tags) - bad} of {len(tags)} can be read"

    async def read(self, nodes: Sequence[ua.NodeId]) -> list[tuple[Any, int]]:
        """Values with their status codes."""
        return [
            (
                answer.Value.Value if answer.Value else None,
                answer.StatusCode.value if answer.StatusCode else 0,
            )
            for answer in await self._answers(nodes)
        ]

    async def _answers(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        answers: list[ua.DataValue] = await self._client.uaclient.session.read_attributes(
            list(nodes), AttributeIds.Value
        )
        return answers


def unknown_namespace(
    namespace: str, namespaces: Sequence[str], tags: Sequence[Tag]
) -> ConfigurationError:
    """What to say of tags whose namespace the server does not have."""
    msg = f"column address: the server has no namespace {namespace!r}{_how_many(tags)}"
    remedy = near_namespace(namespace, namespaces)
    return ConfigurationError(msg, where=tags[0].where or None, remedy=remedy)


def remedy_of(status: int) -> str:
    """What to do where a server refuses to give a value."""
    if status in (StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid):
        return "look the address up with penstock connectors browse"
    if status == StatusCodes.BadAttributeIdInvalid:
        return "it is a folder, no variable: penstock connectors browse --root shows those below it"
    return "ask the server's owner for the right to read it"


def _unfit(tag: Tag, value: ua.Variant | None, status: int) -> ConfigurationError | None:
    """A problem where what the server gives makes no value of a tag."""
    if to_value(value, signed(status), tag)[1] != BAD_TYPE_MISMATCH:
        return None
    kind = value.VariantType.name if value else "nothing"
    given = f"an array of {kind}" if value and value.is_array else kind
    msg = f"column address: tag {tag.tag!r} gives no value: {tag.address!r} is {given}"
    remedy = "name a node with one number, boolean or text; leave type away, or write that one"
    return ConfigurationError(msg, where=tag.where or None, remedy=remedy)


def _refused(status: int, tags: Sequence[Tag]) -> ConfigurationError:
    code = ua.StatusCode(ua.UInt32(status))
    msg = f"column address: the server refuses {tags[0].address!r} with {code.name}"
    where = tags[0].where or None
    return ConfigurationError(msg + _how_many(tags), where=where, remedy=remedy_of(status))


def _how_many(tags: Sequence[Tag]) -> str:
    others = len(tags) - 1
    return f", and {others} more" if others else ""
