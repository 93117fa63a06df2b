"""What stands around a plant in a cluster: Kafka, registry, devices, and an onlooker.

`python testbed.py kafka|registry|plc|onlooker`: each in a pod of its own, with the image's Python.
"""

import asyncio
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

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
    settings = Path("/tmp/server.properties")
    settings.write_text("\n".join(f"{k}={v}" for k, v in (broker.SETTINGS | own).items()))
    if not (DATA / "kafka" / "meta.properties").exists():
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id",
                "5L6g3nShT-eMCtK--X86sw", "--config", str(settings)]  # fmt: skip
        subprocess.run([java.java(), *java.FLAGS, "-cp", classpath, *tool], check=True)
    arguments = [*broker.LOGGING, "-cp", classpath, "kafka.Kafka", str(settings)]
    command = java.command(384, Path("/tmp"), "-Dtestbed=1", arguments)
    os.execv(command[0], command)


def registry() -> None:
    """Apicurio, whose schemas survive the pod."""
    found = LocalRegistry(DATA / "registry", 8081)
    found.folder.mkdir(exist_ok=True)
    command = found.command(JARS, "-Dtestbed=1")
    environment = found.environment() | {"QUARKUS_HTTP_HOST": "0.0.0.0"}
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


async def plc() -> None:
    """Several Modbus devices."""
    servers = [await asyncio.start_server(_answer, "0.0.0.0", 5020 + n) for n in range(PLCS)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def onlooker(bootstrap: str) -> None:
    """A line per batch of window results: when it came, how many, how far behind the newest is."""
    decoder = Decoder(Registry(RegistrySettings(url=os.environ["REGISTRY"])))
    while True:
        try:
            _follow(bootstrap, decoder)
        except KafkaUnavailableError as error:  # it is being restarted; a new client, as views do
            print(json.dumps({"error": str(error)}), flush=True)
            time.sleep(1)


def _follow(bootstrap: str, decoder: Decoder) -> None:
    with Tail(KafkaSettings(bootstrap=bootstrap), {"ot.features.v1": 0}, "onlooker") as tail:
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
        {"kafka": kafka, "registry": registry, "onlooker": onlooker}[role](*rest)
