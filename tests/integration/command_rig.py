"""A plant without devices on a real Kafka, for tests of the commands that read and write topics."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Message

from penstock.errors import PenstockError
from penstock.kafka.describe import Describer
from penstock.kafka.scan import read
from penstock.settings.plant import KafkaSettings, RegistrySettings

DEADLINE = 90.0


class CommandRig:
    """A plant's configuration, and what is in its Kafka.

    Args:
        folder: For the configuration; commands run there.
        name: Of the environment and of the site, nobody else's.
    """

    def __init__(
        self, folder: Path, name: str, kafka: KafkaSettings, registry: RegistrySettings
    ) -> None:
        self.folder, self.name, self.kafka, self.registry = folder, name, kafka, registry
        self.config = folder / "plant.yaml"
        settings = {
            "environment": name,
            "site": {"path": f"acme/{name}"},
            "windows": {"sizes": {"10 s": {"reopen_for": "1 h"}}},
            "kafka": {"bootstrap": kafka.bootstrap, "partitions": kafka.partitions},
            "registry": {"url": registry.url},
        }
        self.config.write_text(json.dumps(settings))

    @property
    def log(self) -> str:
        """What the commands said."""
        return (self.folder / "log").read_text(errors="replace")

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command; killed at the end, if it still runs."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def messages(self, topic: str) -> Iterator[Message]:
        """All that is in a topic; nothing where it is not there yet."""
        try:
            bounds = Describer(self.kafka).bounds(topic, range(self.kafka.partitions))
        except PenstockError:
            return
        yield from read(self.kafka, topic, bounds)
