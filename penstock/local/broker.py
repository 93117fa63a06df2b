"""Apache Kafka in KRaft combined mode: one process is broker and controller."""

import base64
import logging
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from penstock.errors import StackError
from penstock.local import artifacts, java
from penstock.local.ports import HOST, free_port
from penstock.local.service import Name

HEAP_MB: Final = 384
FORMAT_TIMEOUT_S: Final = 60
_FORMATS: Final = 2
ANSWER_S: Final = 1.0
LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    # These print all their settings at each start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
)
SETTINGS: Final = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # As in a plant: topics are made by contract, a typing error makes none.
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "5",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill, a new start waits until the controller has given up the old one.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # The default does not fit a small heap, and the broker dies.
    "log.cleaner.dedupe.buffer.size": "16777216",
    # Small files for small disks: each partition reserves two index files.
    "log.segment.bytes": "134217728",
    "log.index.size.max.bytes": "1048576",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker whose data live in a folder.

    Args:
        folder: Of its data and settings.
        port: Where clients connect.
        node: Its number in the cluster.
    """

    folder: Path
    port: int
    node: int = 1
    name: ClassVar[Name] = "kafka"

    @property
    def version(self) -> str:
        """Of Apache Kafka."""
        return next(a for a in artifacts.pinned("kafka") if a.name == "kafka-clients").version

    @property
    def address(self) -> str:
        """The bootstrap address."""
        return f"{HOST}:{self.port}"

    @property
    def cluster(self) -> str | None:
        """The id of the cluster that the data belong to; None before the first start."""
        try:
            return (self.folder / "cluster.id").read_text("utf-8").strip()
        except FileNotFoundError:
            return None

    def command(self, jars: Path | None, mark: str) -> list[str]:
        """Write the settings, format the data folder if it is new, and say how to start."""
        paths = artifacts.locate(artifacts.pinned("kafka"), jars)
        classpath = os.pathsep.join(str(path.absolute()) for path in paths)
        settings = self._write_settings()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(classpath, settings)
        return java.command(
            HEAP_MB,
            self.folder / "tmp",
            mark,
            [*LOGGING, "-cp", classpath, "kafka.Kafka", str(settings)],
        )

    def environment(self) -> dict[str, str]:
        """What the process sees of the environment."""
        return java.environment()

    def answers(self) -> bool:
        """Whether the cluster on the port is ours and has a broker at work."""
        found = self.identity()
        return found is not None and found == self.cluster

    def identity(self) -> str | None:
        """The id of whatever cluster answers on the port; None: none does."""
        silent = logging.Logger("silent")
        silent.addHandler(logging.NullHandler())
        client = AdminClient({"bootstrap.servers": self.address}, logger=silent)
        try:
            found = client.list_topics(timeout=ANSWER_S)
        except KafkaException:
            return None
        return found.cluster_id if found.brokers else None

    def _write_settings(self) -> Path:
        # The controller is reached by this process alone; any free port will do.
        controller = f"{HOST}:{free_port()}"
        own = {
            "node.id": str(self.node),
            "log.dirs": str(self.folder / "data"),
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"{self.node}@{controller}",
        }
        path = self.folder / "server.properties"
        lines = [f"{key}={value}" for key, value in (SETTINGS | own).items()]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def _format(self, classpath: str, settings: Path) -> None:
        cluster = self.cluster or _new_id()
        (self.folder / "cluster.id").write_text(cluster, "utf-8")
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
        tool += ["--cluster-id", cluster, "--config", str(settings)]
        for _ in range(_FORMATS):  # that of a start that was killed may be at it, too
            done = subprocess.run(
                [java.java(), "-Xmx128m", *java.FLAGS, "-cp", classpath, *tool],
                capture_output=True,
                text=True,
                timeout=FORMAT_TIMEOUT_S,
                check=False,
                env=self.environment(),
            )
            if not done.returncode:
                return
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        msg = f"Kafka could not prepare its data folder:\n{tail}"
        raise StackError(
            msg, where=str(self.folder), remedy="use another folder, or delete this one"
        )


def _new_id() -> str:
    """A random id as Kafka writes it: 16 bytes in URL-safe base64 that start with no dash."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
