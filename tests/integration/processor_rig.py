"""A plant's processors as processes on a real Kafka, fed by hand."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from penstock.codec.records import decode_record, encode_record
from penstock.codec.wire import frame, unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, producer_options
from penstock.kafka.log_bounds import log_bounds
from penstock.kafka.registry import Registry
from penstock.local.stack import LocalStack
from penstock.settings.loader import load_plant
from penstock.settings.plant import RegistrySettings
from schemas import schema_text

DEADLINE = 60.0


class ProcessorRig:
    """A plant whose processors run as processes, and what they read and write.

    Args:
        folder: For the plant's configuration, and logs.
        settings: The plant's; where Kafka and the registry are is added.
        reads: The processors' inputs, and the records that they carry.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        stack: LocalStack,
        registry: RegistrySettings,
        reads: Mapping[str, str],
    ) -> None:
        where = {"bootstrap": stack.kafka_settings().bootstrap, "partitions": 3}
        self.config = folder / "plant.yaml"
        self.config.write_text(
            json.dumps({**settings, "kafka": where, "registry": {"url": registry.url}})
        )
        self.plant = load_plant(self.config)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.producer = Producer(producer_options(self.plant.kafka, linger_ms=5))
        beside = [make(topic) for topic in reads for make in (topics.dead_letters, topics.retries)]
        late = [topics.late(topic, record) for topic, record in reads.items()]
        ensure_topics(self.plant.kafka, [*topics.TOPICS, *beside, *late])
        self._records = dict(reads)
        with closing(Registry(self.plant.registry)) as known:
            self._ids = {topic: known.register(topic, record) for topic, record in reads.items()}

    def start(self, processor: str) -> subprocess.Popen[bytes]:
        folder = self.config.parent
        command = [
            sys.executable, "-m", "penstock", "work", "processor", processor,
            "--config", str(self.config), "--run-dir", str(folder / "run"),
        ]  # fmt: skip
        with (folder / f"{len(self.processes)}-{processor}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)

    def framed(self, topic: str, body: bytes) -> bytes:
        return frame(self._ids[topic], body)

    def record(self, topic: str, datum: Mapping[str, Any]) -> bytes:
        return self.framed(topic, encode_record(self._records[topic], dict(datum)))

    def send(self, topic: str, key: str, value: bytes | None) -> None:
        self.producer.produce(topic, key=key.encode(), value=value)

    def latest(
        self, topic: topics.Topic, identity: Callable[[Mapping[str, Any]], Any], version: str
    ) -> dict[Any, dict[str, Any]]:
        """Of the records of a topic that are of one thing that of the greatest version."""
        name = str(topic.record)
        found: dict[Any, dict[str, Any]] = {}
        for message in self.read(topic.name):
            one = decode_record(unframe(message.value())[1], schema_text(name), name)
            known = found.setdefault(identity(one), one)
            if _order(known[version]) < _order(one[version]):
                found[identity(one)] = one
        return found

    def read(self, topic: str) -> Iterator[Message]:
        kafka = self.plant.kafka
        with closing(Consumer(options(kafka, group_id="test", enable_auto_commit=False))) as reader:
            parts = [TopicPartition(topic, number, 0) for number in range(kafka.partitions)]
            ends = [log_bounds(reader, (topic, part.partition), 30)[1] for part in parts]
            reader.assign(parts)
            for message in reader.consume(sum(ends), 5.0) if sum(ends) else ():
                assert message.error() is None
                yield message

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)

    def logs(self) -> str:
        files = sorted(self.config.parent.glob("*.log"))
        return "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in files)


def _order(version: Any) -> Any:
    return tuple(version.values()) if isinstance(version, Mapping) else version
