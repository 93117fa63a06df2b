"""The connector: finds a server that it may trust, and subscribes."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from asyncua import ua
from asyncua.client.client import Client

from connectors.opcua.browsing import Browser, read_node, resolve
from connectors.opcua.certificates import Identity, check_server, load_identity
from connectors.opcua.gaps import Gaps
from connectors.opcua.items import Item
from connectors.opcua.nodes import parse_address
from connectors.opcua.nodeset import read_nodeset
from connectors.opcua.probing import Examination, check_protocol
from connectors.opcua.security import choose_endpoint, explain, offered
from connectors.opcua.session import Session, let_go
from connectors.opcua.settings import OpcuaSettings
from connectors.opcua.values import Notifications
from connectors.opcua.wire import watch_wire
from penstock.clock import Clock, now
from penstock.commissioning.offers import (
    Browses,
    ImportsTags,
    Interpretation,
    Node,
    ReadsAddresses,
)
from penstock.connector import Batch, Connector, Probe
from penstock.errors import ConfigurationError, DeviceError, PenstockError
from penstock.settings.tags import Tag
from penstock.units import microseconds

SESSION_TIMEOUT_MS = 60_000
"""How long the server keeps a session that a crash left behind; many have few to give."""


class OpcuaConnector(Connector, Browses, ReadsAddresses, ImportsTags):
    """Subscribes to one OPC UA server's nodes."""

    Settings = OpcuaSettings
    EXAMPLE_TAGS = (
        {"asset": "stamping/line1/press07", "tag": "GoodCount", "role": "good",
         "address": "nsu=urn:acme:press;s=Good"},
        {"asset": "stamping/line1/press07", "tag": "force", "unit": "kN", "deadband": "5",
         "address": "nsu=urn:acme:press;s=Force"},
    )  # fmt: skip
    imports = "OPC UA nodesets"
    suffixes = (".xml",)
    settings: OpcuaSettings

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        super().__init__(name, settings, tags, clock=clock)
        self._items = [self._item(tag) for tag in self.tags]
        self._notifications = Notifications(self.tags, clock)
        names = [item.name for item in self._items]
        self._gaps = Gaps(names, self.meter, microseconds(settings.backfill))
        self._session: Session | None = None

    async def probe(self) -> Probe:
        """Judge endpoints and certificates; then ask, in a session, for clock and tags."""
        begin = self.clock()
        try:
            endpoints = await self._discover()
        except Exception as error:
            self._fail(error)
        latency_ms = (self.clock() - begin) / 1e3
        security, server = self.settings.security, endpoints[0].Server
        details = {
            "application_uri": server.ApplicationUri or "",
            "offered": offered(endpoints),
            "user": security.user or "anonymous",
        }
        problems: list[PenstockError] = []
        try:
            async with self.session(endpoints) as client:
                fit = "fits; the server's certificate is trusted"
                if security.policy == "None":
                    fit = "fits; nothing is checked, signed or encrypted"
                look = Examination(client, self.clock, self.settings.url)
                await look.server()
                await look.tags(self.tags, self._items)
                details |= look.details
                problems += look.problems
        except DeviceError as error:
            fit = "does not fit"
            problems.append(error)
        details[str(security)] = fit
        name = server.ApplicationName.Text or self.settings.url
        return Probe(name, latency_ms, details, tuple(problems))

    async def browse(
        self, root: str | None = None, depth: int | None = None
    ) -> AsyncIterator[Node]:
        """What is in the server's address space, level by level."""
        address = None if root is None else parse_address(root)
        async with self.session() as client:
            browser = Browser(client)
            namespaces = await browser.prepare()
            node = None if address is None else resolve(address, namespaces)
            async for found in browser.nodes(node, depth):
                yield found

    async def read_address(
        self, address: str, *, type_: str | None = None, order: str | None = None
    ) -> list[Interpretation]:
        """A node's value; its type is the server's word."""
        if type_ or order:
            msg = "an OPC UA server says itself which type a value has"
            raise ConfigurationError(msg, remedy="leave type and order away")
        parsed = parse_address(address)
        async with self.session() as client:
            return [await read_node(client, parsed, address)]

    @classmethod
    def import_tags(cls, path: Path) -> Iterator[Node]:
        """The variables of a nodeset."""
        return read_nodeset(path)

    @asynccontextmanager
    async def session(
        self, endpoints: list[ua.EndpointDescription] | None = None
    ) -> AsyncIterator[Client]:
        """A client in a session of its own, for commissioning; ended with the block.

        Raises:
            DeviceError: The server refuses us, or the link is lost.
        """
        client = None
        try:
            client = await self._secured_client(endpoints or await self._discover())
            await client.connect()
            yield client
        except PenstockError:
            raise
        except Exception as error:
            self._fail(error)
        finally:
            if client is not None:
                await let_go(client)

    async def start(self) -> None:
        """Connect with a new client and subscribe."""
        await self.stop()
        try:
            await self._connect()
        except BaseException as error:  # asyncua's parser lets errors of any kind through
            await self.stop()
            if isinstance(error, Exception):
                self._fail(error)
            raise

    async def read(self) -> Batch:
        """Wait for the next notification's samples."""
        try:
            if self._session is None:
                msg = "not started"
                raise ConnectionError(msg)
            return await self._session.next()
        except Exception as error:
            self._fail(error)

    async def stop(self) -> None:
        """End session and socket."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _connect(self) -> None:
        client = await self._secured_client(await self._discover())
        self._notifications.subscribed_anew()
        self._session = Session(
            client,
            self._items,
            self._notifications,
            self.meter,
            self._gaps,
            clock=self.clock,
            publish_ms=_ms(self.settings.subscription.publish),
            keep_alive_ms=_ms(self.settings.subscription.keep_alive),
        )
        await self._session.open()

    async def _secured_client(self, endpoints: list[ua.EndpointDescription]) -> Client:
        secured = await self._secured(endpoints)
        client = self._client()
        if secured is not None:
            identity, certificate = secured
            await identity.apply(client, self.settings.security, certificate)
        return client

    def _item(self, tag: Tag) -> Item:
        settings = self.settings.subscription
        return Item(
            name=f"{tag.asset}/{tag.tag}",
            address=parse_address(tag.address, tag.where),
            sampling_ms=_ms(tag.poll or settings.sampling),
            queue=settings.queue,
            trigger=ua.DataChangeTrigger[settings.trigger],
            deadband=tag.deadband and tag.deadband / abs(tag.scale or 1.0),
        )

    def _client(self) -> Client:
        timeout = self.settings.timeout.total_seconds()
        # asyncua's own watchdog only keeps the session alive while we ask for nothing.
        watchdog = max(timeout, self.settings.subscription.keep_alive.total_seconds())
        client = Client(self.settings.url, timeout=timeout, watchdog_intervall=watchdog)
        client.name = "Penstock"
        client.description = f"Penstock {self.name}"
        client.product_uri = "urn:penstock"
        client.application_uri = self.settings.application_uri or "urn:penstock"
        client.session_timeout = SESSION_TIMEOUT_MS
        if user := self.settings.security.user:
            client.set_user(user)
            password = self.settings.security.password
            client.set_password(password.get_secret_value() if password else "")
        watch_wire(client, self.meter, self.settings.url)
        return client

    async def _discover(self) -> list[ua.EndpointDescription]:
        """The server's endpoints, asked for without security: they are checked afterwards."""
        try:
            endpoints = await self._client().connect_and_get_server_endpoints()
        except Exception:
            await check_protocol(self.settings.url)
            raise
        if not endpoints:
            msg = "the server names no endpoint"
            raise ConnectionError(msg)
        return endpoints

    async def _secured(
        self, endpoints: list[ua.EndpointDescription]
    ) -> tuple[Identity, bytes] | None:
        """Our identity and the server's certificate, both judged; None without security."""
        security, url = self.settings.security, self.settings.url
        endpoint = choose_endpoint(endpoints, security, url)
        identity = load_identity(security, self.settings.application_uri, self.clock())
        if identity is None:
            return None
        return identity, await check_server(endpoint, security, url)

    def _fail(self, error: Exception) -> NoReturn:
        """Count an error and raise it as a `DeviceError`."""
        found = explain(error, self.settings.security, self.settings.url)
        self.meter.errors += 1
        self.meter.last_error = str(found)
        raise found from (error if found is not error else error.__cause__)


def _ms(duration: timedelta) -> float:
    return duration.total_seconds() * 1e3
