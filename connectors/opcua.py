"""OPC UA: subscribes to the values of one server.

```yaml
sources:
  press_plc:
    type: opcua
    url: opc.tcp://192.168.0.10:4840
    security:
      policy: Basic256Sha256      # or Aes256Sha256RsaPss, Aes128Sha256RsaOaep
      mode: SignAndEncrypt        # or Sign
      certificate: certs/client.der
      key: certs/client.pem
      trust: certs/trusted        # the servers' certificates, .der or .pem
      user: penstock
      password: ${file:secrets/press}
    subscription: {publish: 500 ms, sampling: 100 ms, queue: 20}
    tags: tags/press07.csv
```

A tag's address is its node id by namespace URI, `nsu=urn:acme:press;s=GoodCount`. An id by index,
`ns=2;s=GoodCount`, works too, but the index may mean another namespace once the server restarts.
`poll` is the sampling interval of one tag, `deadband` is watched by the server. Values are reported
when they change; a server is asked for every new source time, too, by
`subscription: {trigger: StatusValueTimestamp}`.

A server whose certificate is not in `trust` is refused, and its certificate kept in the folder
`rejected` beside it, to be compared and moved. The server must trust ours in turn. A link without
security is had by name only: `security: {policy: None, mode: None}`.

A node that the server refuses is a bad sample with the server's status, and is asked for again
every 30 s; the others flow. After a loss everything is made anew; a value that was seen before the
loss and has not changed is given once more, at the time of the new subscription, so that the gap
ends. Nothing is ever written. Status codes are kept, also where a queue overflowed in the server.
"""

from collections.abc import Sequence
from typing import Any, Literal, NoReturn
from urllib.parse import urlparse

from asyncua import ua
from asyncua.client.client import Client
from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.opcua_certificates import Identity, check_server, load_identity
from connectors.opcua_items import Item
from connectors.opcua_nodes import parse_address
from connectors.opcua_security import SecuritySettings, choose_endpoint, explain, offered
from connectors.opcua_session import Session
from connectors.opcua_values import Notifications
from penstock.clock import Clock, now
from penstock.connector import Batch, Connector, Probe, SourceSettings
from penstock.errors import DeviceError
from penstock.settings.tags import Tag
from penstock.units import Duration, parse_duration

SESSION_TIMEOUT_MS = 60_000
"""How long the server keeps a session that a crash left behind; many have few to give."""


class SubscriptionSettings(BaseModel):
    """What is asked of the server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    publish: Duration = Field(
        parse_duration("500 ms"), description="How often the server may send what has changed."
    )
    sampling: Duration = Field(
        parse_duration("100 ms"), description="How often it looks at a value; `poll` of a tag wins."
    )
    queue: int = Field(
        20, ge=1, description="Values of one tag that it keeps between two publishes."
    )
    trigger: Literal["StatusValue", "StatusValueTimestamp"] = Field(
        "StatusValue", description="Whether the same value with a new source time is sent, too."
    )
    keep_alive: Duration = Field(
        parse_duration("2 s"), description="How often it says that it lives when nothing changes."
    )


class OpcuaSettings(SourceSettings):
    """Where the server is, how the link is protected, and what is asked for."""

    url: str = Field(description="Where the server is, as opc.tcp://host:4840/path.")
    security: SecuritySettings = Field(description="How the link is protected.")
    subscription: SubscriptionSettings = Field(
        SubscriptionSettings(), description="How values are asked for."
    )
    application_uri: str | None = Field(
        None, description="Ours; where left away, the one in our certificate."
    )
    timeout: Duration = Field(
        parse_duration("4 s"), description="How long the server may take to answer a request."
    )

    @field_validator("url")
    @classmethod
    def _judge_url(cls, url: str) -> str:
        parts = urlparse(url)
        if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
            msg = "an OPC UA server's address is opc.tcp://host:port or opc.tcp://host:port/path"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "user and password belong into security, where they are kept secret"
            raise ValueError(msg)
        return url


class OpcuaConnector(Connector):
    """Subscribes to one OPC UA server's nodes."""

    Settings = OpcuaSettings
    settings: OpcuaSettings

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        super().__init__(name, settings, tags, clock=clock)
        self._items = [self._item(tag) for tag in self.tags]
        self._notifications = Notifications(self.tags, clock)
        self._session: Session | None = None

    async def probe(self) -> Probe:
        """Ask for the server's name and endpoints, and judge how ours fits."""
        begin = self.clock()
        try:
            endpoints = await self._discover()
        except Exception as error:
            self._fail(error)
        latency_ms = (self.clock() - begin) / 1e3
        security, server = self.settings.security, endpoints[0].Server
        try:
            await self._secured(endpoints)
            fit = "fits; the server's certificate is trusted"
            if security.policy == "None":
                fit = "fits; nothing is checked, signed or encrypted"
        except DeviceError as error:
            fit = f"does not fit: {error}"
        details = {
            "application_uri": server.ApplicationUri or "",
            "offered": offered(endpoints),
            str(security): fit,
        }
        return Probe(server.ApplicationName.Text or self.settings.url, latency_ms, details)

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
            return Batch(await self._session.next())
        except Exception as error:
            self._fail(error)

    async def stop(self) -> None:
        """End session and socket."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _connect(self) -> None:
        secured = await self._secured(await self._discover())
        client = self._client()
        if secured is not None:
            identity, certificate = secured
            await identity.apply(client, self.settings.security, certificate)
        self._notifications.subscribed_anew()
        self._session = Session(
            client,
            self._items,
            self._notifications,
            self.meter,
            clock=self.clock,
            publish_ms=_ms(self.settings.subscription.publish),
            keep_alive_ms=_ms(self.settings.subscription.keep_alive),
        )
        await self._session.open()

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
        return client

    async def _discover(self) -> list[ua.EndpointDescription]:
        """The server's endpoints, asked for without security: they are checked afterwards."""
        self.meter.requests += 1
        endpoints = await self._client().connect_and_get_server_endpoints()
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


def _ms(duration: Duration) -> float:
    return duration.total_seconds() * 1e3
