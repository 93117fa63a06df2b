"""The PLC that speaks OPC UA: SignAndEncrypt, a user, and only clients whose certificate it trusts.

Every cycle it writes what changed, with the cycle's time as source time. What a client's
subscription takes is written to the truth as it is published, not before: a value that a kill
catches in the server's queue was never sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import Any, Final

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds

from penstock.factory import nodes
from penstock.factory.device import Device, drained
from penstock.factory.layout import NAMESPACE, SERVER_URI, USER
from penstock.factory.machine import FIELDS, Machine
from penstock.factory.truth import Group, TruthWriter

_CATCH_UP: Final = 20
"""Cycles that a late PLC makes up for; beyond, it goes on with the present one."""
_EPOCH: Final = ua.DateTime(1970, 1, 1, tzinfo=UTC)


class Written(ua.DataValue):
    """A value in the address space that knows which machine, tag and cycle it is of."""

    machine: int
    tag: int
    cycle: int
    logged: nodes.Value

    def __deepcopy__(self, memo: dict[int, Any]) -> "Written":
        """Itself: it never changes, and the server copies every value once per subscription."""
        return self


class _Users(UserManager):
    """Lets in one user with a password, who may read."""

    def __init__(self, password: str) -> None:
        self._password = password

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """The user, or None for anybody else."""
        if username == USER and password == self._password:
            return User(role=UserRole.User, name=USER)
        return None


class _RecordedSubscriptions(SubscriptionService):
    """Writes to the truth what is published, just before it goes out."""

    truth: TruthWriter

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Awaitable[None]],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Create a subscription whose publications are recorded."""

        async def publish(result: ua.PublishResult, *request: Any) -> None:
            groups = _groups(result)
            if groups:
                self.truth.samples(groups)
            await callback(result, *request)

        return await super().create_subscription(params, publish, session_id, request_callback)

    @property
    def drained(self) -> bool:
        """Whether no subscription has anything left to publish."""
        return not any(
            subscription._triggered_datachanges for subscription in self.subscriptions.values()
        )


def _groups(result: ua.PublishResult) -> list[Group]:
    """The machines' values within a publication, by machine and cycle."""
    found: dict[tuple[int, int], tuple[list[nodes.Value], list[int]]] = {}
    for notification in result.NotificationMessage.NotificationData or ():
        for item in getattr(notification, "MonitoredItems", ()):
            value = item.Value
            if isinstance(value, Written):
                values, tags = found.setdefault((value.machine, value.cycle), ([], []))
                values.append(value.logged)
                tags.append(value.tag)
    return [(machine, cycle, *columns) for (machine, cycle), columns in found.items()]


class _Variables:
    """One machine's variables in the address space."""

    def __init__(self, index: int, machine: Machine) -> None:
        self.machine = machine
        self._index = index
        self._types = [ua.VariantType[name] for name in nodes.types(machine)]
        self._steps = [10.0**signal.decimals for signal in machine.sensors.signals]
        self._nodes: list[ua.NodeId] = []
        self._last: list[nodes.Value | None] = [None] * len(self._types)

    async def create(self, server: Server, namespace: int, device: Device) -> None:
        """Add the machine's object and variables, with the values of the present cycle."""
        place = self.machine.place
        index = ua.Int16(namespace)
        machine = await server.nodes.objects.add_object(
            ua.NodeId(ua.String(place.name), index), ua.QualifiedName(place.name, index)
        )
        cycle = device.cycle()
        values = self._values(cycle)
        names = [field.name for field in FIELDS]
        names += [signal.name for signal in self.machine.sensors.signals]
        for name, value, kind in zip(names, values, self._types, strict=True):
            node_id = ua.NodeId(ua.String(nodes.identifier(place, name)), index)
            self._nodes.append(node_id)
            await machine.add_variable(node_id, ua.QualifiedName(name, index), value, kind)
        await self.write(server, cycle, device.time(cycle))

    async def write(self, server: Server, cycle: int, time: int) -> None:
        """Write what changed since the last cycle."""
        source = _EPOCH + timedelta(microseconds=time)
        space = server.iserver.aspace
        values = self._values(cycle)
        for tag, value in enumerate(values):
            if value != self._last[tag]:
                written = Written(
                    ua.Variant(value, self._types[tag]),
                    SourceTimestamp=source,
                    ServerTimestamp=ua.DateTime.now(UTC),
                )
                for name, known in (("machine", self._index), ("tag", tag), ("cycle", cycle)):
                    object.__setattr__(written, name, known)
                object.__setattr__(written, "logged", value)
                await space.write_attribute_value(self._nodes[tag], AttributeIds.Value, written)
        self._last = list(values)

    def _values(self, cycle: int) -> list[nodes.Value]:
        return nodes.values(self.machine.read(cycle), self._steps)


async def serve(device: Device, stop: asyncio.Event) -> None:
    """Serve until asked to stop; then until everything is published, 2 s at most."""
    server, subscriptions = await _server(device)
    namespace = await server.register_namespace(NAMESPACE)
    machines = [_Variables(index, machine) for index, machine in enumerate(device.machines)]
    for variables in machines:
        await variables.create(server, namespace, device)
        await asyncio.sleep(0)  # a busy machine takes seconds for all of them: a signal is heard
        if stop.is_set():
            return
    done = device.cycle()
    async with server:
        device.ready()
        while not stop.is_set():
            await asyncio.sleep(device.until(done + 1))
            present = device.cycle()
            for cycle in range(max(done + 1, present - _CATCH_UP), present + 1):
                device.truth.advance(cycle)
                for variables in machines:
                    await variables.write(server, cycle, device.time(cycle))
                if cycle % 10 == 0:
                    device.truth.reached(cycle)
            done = max(done, present)
        device.freeze(done)
        await drained(lambda: subscriptions.drained)


async def _server(device: Device) -> tuple[Server, _RecordedSubscriptions]:
    folder = device.factory.folder / "plc"
    password = device.factory.password_file.read_text().strip()
    internal = InternalServer(user_manager=_Users(password))
    subscriptions = _RecordedSubscriptions(internal.aspace, internal)
    subscriptions.truth = device.truth
    internal.subscription_service = subscriptions
    internal.isession.subscription_service = subscriptions
    server = Server(iserver=internal)
    await server.init()
    await server.set_application_uri(SERVER_URI)
    server.name = "Press shop PLC"
    server.set_endpoint(device.factory.url(device.line))
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_identity_tokens([ua.UserNameIdentityToken])
    await server.load_certificate(folder / "server.der")
    await server.load_private_key(folder / "server.pem")
    trusted = TrustStore([folder / "trusted"], [])
    await trusted.load()
    options = CertificateValidatorOptions
    server.set_certificate_validator(
        CertificateValidator(options.TRUSTED_VALIDATION | options.PEER_CLIENT, trusted)
    )
    return server, subscriptions
