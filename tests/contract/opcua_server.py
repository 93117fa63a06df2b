"""A real OPC UA server on loopback, with certificates on both sides, for tests to be unkind to."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.callback import CallbackType
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server.history import HistoryDict

from connectors.opcua import OpcuaConnector, OpcuaSettings
from penstock.certificates import make_certificate
from penstock.settings.tags import Tag

NAMESPACE = "urn:acme:press"
SERVER_URI = "urn:acme:press:server"
CLIENT_URI = "urn:acme:penstock"
USER, PASSWORD = "penstock", "open sesame"
VARIABLES: dict[type, ua.VariantType] = {
    float: ua.VariantType.Double,
    bool: ua.VariantType.Boolean,
    str: ua.VariantType.String,
    int: ua.VariantType.Int64,
}


class OneUser:
    """Knows one user and, where allowed, nobody."""

    def __init__(self, *, anonymous: bool) -> None:
        self.anonymous = anonymous

    def get_user(self, iserver, username=None, password=None, certificate=None):
        known = (username, password) == (USER, PASSWORD) or (self.anonymous and username is None)
        return User(role=UserRole.User) if known else None


class Certificates:
    """Certificates of a server and of a client that trust each other, as files."""

    def __init__(self, folder: Path) -> None:
        """Name those in the folder, made where there are none."""
        self.server, self.server_key = folder / "server.der", folder / "server.pem"
        self.client, self.client_key = folder / "client.der", folder / "client.pem"
        self.trusted_servers = folder / "trusted"
        self.trusted_clients = folder / "clients"
        if self.server.exists():
            return
        make_certificate(self.server, self.server_key, SERVER_URI, common_name="press")
        make_certificate(self.client, self.client_key, CLIENT_URI, common_name="penstock")
        self.trusted_servers.mkdir()
        self.trusted_clients.mkdir()
        shutil.copy(self.server, self.trusted_servers)
        shutil.copy(self.client, self.trusted_clients)

    def security(self, **changes: object) -> dict[str, object]:
        """The section of a configuration that uses them."""
        return {
            "certificate": self.client,
            "key": self.client_key,
            "trust": self.trusted_servers,
            "user": USER,
            "password": PASSWORD,
        } | changes


class Historian(HistoryDict):
    """A history of all variables that outlives the server's restarts."""

    async def new_historized_node(self, node_id, period, count=0):
        if node_id not in self._datachanges:
            await super().new_historized_node(node_id, period, count)


class OpcuaServer:
    """The server. It lets in one user, and only clients whose certificate it trusts."""

    def __init__(self, port: int, certificates: Certificates, *, anonymous: bool = False) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/press/"
        self.certificates = certificates
        self.anonymous = anonymous
        self.policies = [
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
            ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
        ]
        self.written: list[str] = []
        self.nodes: dict[str, object] = {}
        self.server: Server | None = None

    async def start(
        self,
        values: Mapping[str, object],
        *,
        namespaces_before: int = 0,
        historian: Historian | None = None,
    ) -> None:
        """Start with these variables, some namespaces being there before theirs.

        Values are plain, variants, or data values with their own times.
        """
        server = Server(user_manager=OneUser(anonymous=self.anonymous))
        server.iserver.disabled_clock = True
        await server.init()
        await server.set_application_uri(SERVER_URI)
        server.set_server_name("Press 07")
        server.set_endpoint(self.url)
        server.set_security_policy(self.policies)
        await server.load_certificate(self.certificates.server)
        await server.load_private_key(self.certificates.server_key)
        store = TrustStore([self.certificates.trusted_clients], [])
        await store.load()
        options = CertificateValidatorOptions
        server.iserver.certificate_validator = CertificateValidator(
            options.TRUSTED_VALIDATION | options.PEER_CLIENT, store
        )
        for number in range(namespaces_before):
            await server.register_namespace(f"urn:acme:other{number}")
        index = await server.register_namespace(NAMESPACE)
        for name, value in values.items():
            data = _data(value)
            node_id = ua.NodeId(name, index)
            node = await server.nodes.objects.add_variable(node_id, f"{index}:{name}", data.Value)
            await node.write_value(data)
            self.nodes[name] = node
        if historian is not None:
            server.iserver.history_manager.set_storage(historian)
            for node in self.nodes.values():
                await server.iserver.enable_history_data_change(node)
        server.subscribe_server_callback(CallbackType.PreWrite, self._note_write)
        await server.start()
        self.server = server

    async def kill(self) -> None:
        """Cut all connections and stop."""
        server, self.server = self.server, None
        if server is not None:
            for transport in list(server.iserver.asyncio_transports):
                transport.abort()
            await server.stop()

    async def write(
        self, name: str, value: object, *, status: int = 0, source: datetime | None = None
    ) -> None:
        """Give a variable a value, as the process that the server shows would."""
        await self.nodes[name].write_value(_data(value, status, source))

    def connector(self, tags: list[Tag], **changes: object) -> OpcuaConnector:
        """A connector to it, with these settings instead of those that fit."""
        subscription = {"publish": "50 ms", "sampling": "50 ms"}
        settings = {
            "type": "opcua",
            "tags": "tags.csv",
            "url": self.url,
            "security": self.certificates.security(),
            "subscription": subscription,
        }
        return OpcuaConnector("press", OpcuaSettings.model_validate(settings | changes), tags)

    def _note_write(self, event, service) -> None:
        if event.is_external:
            self.written.extend(str(item.NodeId) for item in event.request_params.NodesToWrite)


def _data(value: object, status: int = 0, source: datetime | None = None) -> ua.DataValue:
    if isinstance(value, ua.DataValue):
        return value
    variant = value if isinstance(value, ua.Variant) else ua.Variant(value, VARIABLES[type(value)])
    return ua.DataValue(variant, ua.StatusCode(status), source or datetime.now(UTC))


def tag(name: str, **changes: object) -> Tag:
    """A tag of a variable of that name."""
    fields = {"asset": "acme/bremen/stamping/line1/press07", "tag": name}
    return Tag.model_validate(fields | {"address": f"nsu={NAMESPACE};s={name}"} | changes)


async def _count(port: int, certificates: Certificates) -> None:
    """Serve one variable that counts up, every 20 ms, until killed."""
    server = OpcuaServer(port, certificates)
    await server.start({"count": 0})
    number = 0
    while True:
        await asyncio.sleep(0.02)
        number += 1
        await server.write("count", number)


if __name__ == "__main__":
    asyncio.run(_count(int(sys.argv[1]), Certificates(Path(sys.argv[2]))))
