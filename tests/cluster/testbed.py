"""What stands around a plant in a cluster: Kafka, registry, devices, and an onlooker.

`python testbed.py kafka|registry|plc|onlooker`: each in a pod of its own, with the image's Python.
Where `SECRETS` has a certificate, Kafka takes only known users over TLS and lets each do what its
access lists say, the registry speaks HTTPS, and an OPC UA server stands beside the devices.
`testbed.py admin`, in Kafka's pod, makes users and access lists.
"""

import asyncio
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from penstock.errors import KafkaUnavailableError
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.local import artifacts, broker, java
from penstock.local.registry import Registry as LocalRegistry
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import KafkaSettings, RegistrySettings

DATA = Path("/data")
JARS = Path("/jars")
PLCS = 3
SECRETS = Path("/secrets")
"""Where all is secured: certificates, keys and the onlooker's password."""
BACK_DOOR = "127.0.0.1:9091"
"""Of a secured Kafka, in its own pod: for `admin`."""
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}
PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


def secured() -> bool:
    """Whether this is the testbed of a secured plant."""
    return (SECRETS / "tls.crt").exists()


def kafka(address: str) -> None:
    """One broker whose clients reach it as `address`; its data survive the pod."""
    paths = artifacts.locate(artifacts.pinned("kafka"), JARS)
    classpath = os.pathsep.join(map(str, paths))
    own = {
        "node.id": "1",
        # On a busy machine a heartbeat takes seconds: with Kafka's 9 s the broker fences itself.
        "broker.session.timeout.ms": "30000",
        "broker.heartbeat.interval.ms": "2000",
        "log.dirs": str(DATA / "kafka"),
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": "1@127.0.0.1:9093",
    }
    if secured():
        own |= _guarded(address)
    settings = Path("/tmp/server.properties")
    settings.write_text("\n".join(f"{k}={v}" for k, v in (broker.SETTINGS | own).items()))
    if not (DATA / "kafka" / "meta.properties").exists():
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id",
                "5L6g3nShT-eMCtK--X86sw", "--config", str(settings)]  # fmt: skip
        subprocess.run([java.java(), *java.FLAGS, "-cp", classpath, *tool], check=True)
    arguments = [*broker.LOGGING, "-cp", classpath, "kafka.Kafka", str(settings)]
    command = java.command(384, Path("/tmp"), "-Dtestbed=1", arguments)
    os.execv(command[0], command)


def _guarded(address: str) -> dict[str, str]:
    """Known users only: by SCRAM at `address`, by certificate two ports above; rights by lists."""
    host, port = address.split(":")
    (Path("/tmp") / "broker.pem").write_bytes(
        (SECRETS / "tls.key").read_bytes() + (SECRETS / "tls.crt").read_bytes()
    )
    doors = {"SASL_SSL": int(port), "SSL": int(port) + 2}
    return {
        "listeners": ",".join(
            [f"{name}://0.0.0.0:{door}" for name, door in doors.items()]
            + [f"PLAINTEXT://{BACK_DOOR}", "CONTROLLER://127.0.0.1:9093"]
        ),
        "advertised.listeners": ",".join(
            [f"{name}://{host}:{door}" for name, door in doors.items()]
            + [f"PLAINTEXT://{BACK_DOOR}"]
        ),
        "listener.security.protocol.map":
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "/tmp/broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(SECRETS / "ca.crt"),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.ssl.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }  # fmt: skip


def admin() -> None:
    """Make the users that stdin names, with password and rights, in Kafka's own pod."""
    client = AdminClient({"bootstrap.servers": BACK_DOOR})
    users: list[dict[str, Any]] = json.load(sys.stdin)
    mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    known = [
        UserScramCredentialUpsertion(one["user"], mechanism, one["password"].encode())
        for one in users
    ]
    lists = [
        AclBinding(
            RESOURCES[right["resource"]], right["name"], PATTERNS[right["pattern"]],
            f"User:{one['user']}", "*", OPERATIONS[operation], AclPermissionType.ALLOW,
        )
        for one in users for right in one["rights"] for operation in right["operations"]
    ]  # fmt: skip
    done = client.alter_user_scram_credentials(known, request_timeout=60)
    for future in [*done.values(), *client.create_acls(lists).values()]:
        future.result()


def registry() -> None:
    """Apicurio, whose schemas survive the pod."""
    found = LocalRegistry(DATA / "registry", 8081)
    found.folder.mkdir(exist_ok=True)
    command = found.command(JARS, "-Dtestbed=1")
    environment = found.environment() | {"QUARKUS_HTTP_HOST": "0.0.0.0"}
    if secured():
        environment |= {
            "QUARKUS_HTTP_INSECURE_REQUESTS": "disabled",
            "QUARKUS_HTTP_SSL_PORT": str(found.port),
            "QUARKUS_HTTP_SSL_CERTIFICATE_FILES": str(SECRETS / "tls.crt"),
            "QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES": str(SECRETS / "tls.key"),
        }
    os.execve(command[0], command, environment)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Modbus/TCP, function 3: register n holds the tenth of a second plus n."""
    try:
        while True:
            head = await reader.readexactly(12)
            transaction, unit, first, count = (
                *struct.unpack(">H", head[:2]),
                head[6],
                *struct.unpack(">HH", head[8:12]),
            )
            tick = int(time.time() * 10)
            values = [(tick + first + n) & 0x7FFF for n in range(count)]
            body = struct.pack(f">BBB{count}H", unit, 3, 2 * count, *values)
            writer.write(struct.pack(">HHH", transaction, 0, len(body)) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class OneUser:
    """Knows the connector's user."""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        wanted = (SECRETS / "opcua-password").read_text()
        return User(role=UserRole.User) if (username, password) == ("penstock", wanted) else None


async def press() -> None:
    """An OPC UA server that lets one user in, over an encrypted session from a known client."""
    clients = Path("/tmp/clients")
    clients.mkdir()
    shutil.copy(SECRETS / "opcua-client.der", clients)
    server = Server(user_manager=OneUser())
    await server.init()
    await server.set_application_uri("urn:acme:press:server")
    server.set_endpoint("opc.tcp://0.0.0.0:4840/")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(SECRETS / "opcua-server.der")
    await server.load_private_key(SECRETS / "opcua-server.pem")
    store = TrustStore([clients], [])
    await store.load()
    trusted = CertificateValidatorOptions.TRUSTED_VALIDATION
    server.iserver.certificate_validator = CertificateValidator(
        trusted | CertificateValidatorOptions.PEER_CLIENT, store
    )
    index = await server.register_namespace("urn:acme:press")
    state = await server.nodes.objects.add_variable(
        ua.NodeId("press07.state", index), "state", 6, ua.VariantType.Int32
    )
    current = await server.nodes.objects.add_variable(
        ua.NodeId("press07.current", index), "current", 0.0, ua.VariantType.Double
    )
    async with server:
        while True:
            await state.write_value(6, ua.VariantType.Int32)
            await current.write_value(time.time() % 60, ua.VariantType.Double)
            await asyncio.sleep(0.1)


async def plc() -> None:
    """Several Modbus devices."""
    servers = [await asyncio.start_server(_answer, "0.0.0.0", 5020 + n) for n in range(PLCS)]
    others = [press()] if secured() else []
    await asyncio.gather(*(server.serve_forever() for server in servers), *others)


def onlooker(bootstrap: str) -> None:
    """A line per batch of window results: when it came, how many, how far behind the newest is."""
    kafka, where = KafkaSettings(bootstrap=bootstrap), RegistrySettings(url=os.environ["REGISTRY"])
    if secured():
        authority = SECRETS / "ca.crt"
        me = {"user": "onlooker", "password": (SECRETS / "onlooker-password").read_text()}
        safe = {"security": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "ca": authority}
        kafka = KafkaSettings(bootstrap=bootstrap, **safe, **me)
        where = RegistrySettings(url=where.url.replace("http:", "https:"), ca=authority)
    decoder = Decoder(Registry(where))
    while True:
        try:
            _follow(kafka, decoder)
        except KafkaUnavailableError as error:  # it is being restarted; a new client, as views do
            print(json.dumps({"error": str(error)}), flush=True)
            time.sleep(1)


def _follow(kafka: KafkaSettings, decoder: Decoder) -> None:
    with Tail(kafka, {"ot.features.v1": 0}, "onlooker") as tail:
        while True:
            if found := tail.poll():
                values = [decoder.record(message).value for message in found]
                ends = [one["window_start"] + one["window_size"] for one in values]
                behind = time.time() - max(ends) / 1e6
                print(
                    json.dumps({"at": time.time(), "n": len(found), "behind": behind}), flush=True
                )


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "plc":
        asyncio.run(plc())
    else:
        roles = {"kafka": kafka, "registry": registry, "onlooker": onlooker, "admin": admin}
        roles[role](*rest)
