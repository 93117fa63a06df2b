"""Three Kafka brokers as processes of their own: broker and controller each."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from penstock.local import artifacts, java
from penstock.local.broker import LOGGING, SETTINGS
from penstock.local.ports import HOST, free_port
from penstock.settings.plant import KafkaSettings

NODES = (1, 2, 3)
SAFE = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
START_SECONDS = 120.0
STARTS = 3
CLUSTER_ID = "penstock-test-cluster1"  # 22 characters, as Kafka wants it


class Cluster:
    """Starts, kills and stops the brokers.

    Args:
        folder: For their data and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[int, int] = {}
        self._controllers: dict[int, int] = {}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        paths = artifacts.locate(artifacts.pinned("kafka"), None)
        self._classpath = os.pathsep.join(str(path.absolute()) for path in paths)

    @property
    def kafka(self) -> KafkaSettings:
        """How to connect."""
        addresses = ",".join(f"{HOST}:{port}" for port in self._ports.values())
        return KafkaSettings(bootstrap=addresses, partitions=4, replication=3)

    def start(self) -> None:
        """Start all brokers, and wait until they know each other."""
        for _ in range(STARTS):
            self._ports = {node: free_port() for node in NODES}
            self._controllers = {node: free_port() for node in NODES}
            for node in NODES:
                self._format(node)
                self.run(node)
            if self._came(len(NODES)):
                return
            if self._running() == len(NODES):
                break
            self.stop()  # a port was taken before its broker came to it
        raise AssertionError(self._logs())

    def run(self, node: int) -> None:
        """Start one broker."""
        folder = self._folder / f"broker{node}"
        (folder / "tmp").mkdir(exist_ok=True)
        command = java.command(
            320, folder / "tmp", f"-Dpenstock.test={node}",
            [*LOGGING, "-cp", self._classpath, "kafka.Kafka", str(folder / "server.properties")],
        )  # fmt: skip
        with (folder / "kafka.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                command, stdout=log, stderr=log, env=java.environment()
            )

    def kill(self, node: int) -> None:
        """SIGKILL one broker."""
        self._processes[node].kill()
        self._processes[node].wait()

    def stop(self) -> None:
        """Kill all brokers."""
        for node in self._processes:
            self.kill(node)

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition."""
        found: Any = self._admin().list_topics(topic, timeout=10).topics[topic]
        return int(found.partitions[partition].leader)

    def await_brokers(self, count: int) -> None:
        """Wait until so many brokers are in the cluster."""
        assert self._came(count), self._logs()

    def _came(self, count: int) -> bool:
        """Whether so many came in time; not, if all that run are fewer."""
        admin, deadline = self._admin(), time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._running() >= count:
            with suppress(KafkaException):
                if len(admin.list_topics(timeout=2).brokers) >= count:
                    return True
            time.sleep(0.2)
        return False

    def _running(self) -> int:
        return sum(process.poll() is None for process in self._processes.values())

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})

    def _format(self, node: int) -> None:
        folder = self._folder / f"broker{node}"
        folder.mkdir(exist_ok=True)
        voters = ",".join(f"{n}@{HOST}:{port}" for n, port in self._controllers.items())
        own = {
            "node.id": str(node),
            "log.dirs": str(folder / "data"),
            "listeners": f"PLAINTEXT://{HOST}:{self._ports[node]},"
            f"CONTROLLER://{HOST}:{self._controllers[node]}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self._ports[node]}",
            "controller.quorum.voters": voters,
        }
        lines = [f"{key}={value}" for key, value in (SETTINGS | SAFE | own).items()]
        settings = folder / "server.properties"
        settings.write_text("\n".join(lines) + "\n")
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
        tool += ["--cluster-id", CLUSTER_ID]
        subprocess.run(
            [java.java(), "-Xmx128m", *java.FLAGS, "-cp", self._classpath, *tool,
             "--config", str(settings)],
            check=True, capture_output=True, timeout=120, env=java.environment(),
        )  # fmt: skip

    def _logs(self) -> str:
        return "\n".join(p.read_text()[-1500:] for p in self._folder.glob("broker*/kafka.log"))
