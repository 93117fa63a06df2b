"""Shows a replay over OPC UA: a variable for each signal, the row's time as its source time.

Without security, and nobody can write: it is meant for this machine, or for a test bench.
"""

import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any, Final

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server as UaServer
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds

from penstock.connector import Sample
from penstock.history.reel import Reel
from penstock.history.server import Address, Server

NAMESPACE: Final = "urn:penstock:replay"
QUEUE: Final = 1_000
"""Values of one tag that the connector asks to be kept between two publishes."""
SETTLE_SECONDS: Final = 0.5
"""A reader subscribes in several steps; rows go on once it has not taken up more for so long."""
_EPOCH: Final = ua.DateTime(1970, 1, 1, tzinfo=UTC)


class _Readers(UserManager):
    """Lets in anybody, to read."""

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User:
        """A user without rights to change anything."""
        return User(role=UserRole.User)


class OpcuaServer(Server):
    """The server; its reader is the newest subscription, which acknowledges what it took."""

    type = "opcua"

    def __init__(self, reel: Reel, address: Address) -> None:
        super().__init__(reel, address)
        self.url = f"opc.tcp://{address.host}:{address.port}"
        tables = zip(reel.assets, reel.tables, strict=True)
        names = ((asset, tag) for asset, table in tables for tag in table.tags)
        self._names = list(dict.fromkeys(names))
        self._nodes: dict[tuple[str, str], ua.NodeId] = {}
        self._reader: tuple[int, int] | None = None
        """Of the present reader: its subscription, and how many items that has."""
        self._settled_at = 0.0
        self._end = 0
        """The row behind the last that was written."""

    async def start(self, row: int) -> None:
        """Listen, each variable with its first value."""
        self._server = UaServer(user_manager=_Readers())
        await self._server.init()
        self._server.name = "Penstock replay"
        self._server.set_endpoint(self.url)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._server.set_identity_tokens([ua.AnonymousIdentityToken])
        index = ua.Int16(await self._server.register_namespace(NAMESPACE))
        for asset, tag in self._names:
            node = ua.NodeId(ua.String(f"{asset}/{tag}"), index)
            await self._server.nodes.objects.add_variable(
                node, ua.QualifiedName(f"{asset}/{tag}", index), 0.0, ua.VariantType.Double
            )
            self._nodes[asset, tag] = node
        await self._write(self.reel.next_samples(row))
        await self._server.start()

    async def show(self, first: int, end: int) -> int:
        """Write rows that are due once the reader has acknowledged those before."""
        subscription = self._newest()
        reader = None if subscription is None else _items(subscription)
        now = time.monotonic()
        if reader != self._reader:
            known, self._reader = self._reader, reader
            self._settled_at = now + SETTLE_SECONDS
            if known is None or reader is None or reader[0] != known[0]:
                await self._show(first, first + 1)  # a reader that left may not have had it
            return first
        if self._end <= first:
            await self._show(first, first + 1)
        if subscription is None or now < self._settled_at or not _taken(subscription):
            return first
        taken = self._end
        if taken < min(end, len(self.reel)):
            await self._show(taken, min(end, taken + QUEUE, len(self.reel)))
        return taken

    async def stop(self) -> None:
        """End all connections."""
        await self._server.stop()

    def settings(self) -> dict[str, Any]:
        """How to read it, with a queue for all that is written at once."""
        return {
            "url": self.url,
            "security": {"policy": "None", "mode": "None"},
            "subscription": {
                "publish": "100 ms",
                "sampling": "0 s",
                "queue": QUEUE,
                "trigger": "StatusValueTimestamp",
            },
        }

    def tags(self) -> list[dict[str, str]]:
        """Each signal with its node."""
        return [
            {"asset": asset, "tag": tag, "address": f"nsu={NAMESPACE};s={asset}/{tag}"}
            for asset, tag in self._names
        ]

    def _newest(self) -> InternalSubscription | None:
        found = self._server.iserver.subscription_service.subscriptions
        reading = [number for number, one in found.items() if _items(one)[1]]
        return found[max(reading)] if reading else None

    async def _show(self, first: int, end: int) -> None:
        self._end = end
        await self._write(self.reel.samples(first, end))

    async def _write(self, samples: Iterator[Sample]) -> None:
        for sample in samples:
            await self._server.iserver.aspace.write_attribute_value(
                self._nodes[sample.asset, sample.tag], AttributeIds.Value, _value(sample)
            )


def _value(sample: Sample) -> ua.DataValue:
    return ua.DataValue(
        ua.Variant(sample.value, ua.VariantType.Double),
        SourceTimestamp=_EPOCH + timedelta(microseconds=sample.source_time),
        ServerTimestamp=ua.DateTime.now(UTC),
    )


def _items(subscription: InternalSubscription) -> tuple[int, int]:
    """Its number, and how many items it watches."""
    watched = len(subscription.monitored_item_srv._monitored_items)
    return subscription.data.SubscriptionId, watched


def _taken(subscription: InternalSubscription) -> bool:
    """Whether all that it was given was published, and acknowledged by the client."""
    return not (subscription._triggered_datachanges or subscription._not_acknowledged_results)
