"""`penstock topics flatten`: each sample is a record of its own, once, whoever is killed."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer

sys.path.insert(0, str(Path(__file__).parent))
from command_rig import DEADLINE, CommandRig

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import KafkaSettings, RegistrySettings
from schemas import SensorEvent, schema_text

START = 1_760_000_000_000_000
EVENTS = 400


class Rig(CommandRig):
    """A plant whose samples are flattened into a topic of its own."""

    @property
    def topic(self) -> str:
        return f"ot.{self.name}.v1"

    def feed(self) -> list[tuple[Any, ...]]:
        """Publish events of numbers, texts and booleans; gives the samples in them."""
        ensure_topics(self.kafka, [SENSORS])
        with closing(Registry(self.registry)) as registry:
            schema_id = registry.register(SENSORS.name, "SensorEvent")
        producer, expected = Producer(producer_options(self.kafka)), []
        for n in range(EVENTS):
            asset, at = f"acme/{self.name}/a{n % 7}", START + n * 1000
            event = SensorEvent(
                asset, "plc", "s1", n, at, at, ("flow", "on", "state"), np.array([2, 1, 1]),
                np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0]),
                np.array([n, np.nan, 1.0, 0.0]), ("run",), np.array([0, 2, 1], np.int32),
                np.array([0, -1, 0, 0], np.int32),
            )  # fmt: skip
            producer.produce(SENSORS.name, frame(schema_id, encode(event)), asset.encode())
            expected += [
                (asset, "flow", at, float(n), None, 0),
                (asset, "flow", at + 1, None, None, -1),
                (asset, "on", at + 2, 1.0, None, 0),
                (asset, "state", at + 3, None, "run", 0),
            ]
        producer.flush()
        return sorted(expected, key=repr)

    def flattening(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "penstock", "topics", "flatten", "--topic", self.topic]
        return self.running([*command, "--config", str(self.config), "--run-dir", "run"])

    def samples(self) -> list[Mapping[str, Any]]:
        """The records of the flat topic that are of this plant."""
        found = []
        for message in self.messages(self.topic):
            _, body = unframe(message.value())
            one = decode_record(body, schema_text("Sample"), "Sample")
            assert message.key() == one["asset"].encode()
            if one["asset"].startswith(f"acme/{self.name}/"):
                found.append(one)
        return found

    def until(self, count: int) -> list[Mapping[str, Any]]:
        deadline = time.monotonic() + DEADLINE
        while len(found := self.samples()) < count:
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.1)
        return found


@pytest.fixture
def rig(tmp_path: Path, unique: str, kafka: KafkaSettings, registry: RegistrySettings) -> Rig:
    return Rig(tmp_path, unique, kafka, registry)


def test_each_sample_is_a_record_of_its_own_once_however_often_it_is_killed(rig: Rig) -> None:
    first = rig.feed()
    with rig.flattening():
        rig.until(1)  # some transactions are through, others may be open
    second = rig.feed()
    with rig.flattening():
        rig.until(len(first) + 1)
    third = rig.feed()
    with rig.flattening() as process:
        rig.until(len(first) + len(second) + len(third))
        process.terminate()
        assert process.wait(DEADLINE) == 0
    found = [
        tuple(one[name] for name in ("asset", "tag", "time", "value", "text", "quality"))
        for one in rig.samples()
    ]
    assert sorted(found, key=repr) == sorted(first + second + third, key=repr)
    assert {one["server_time"] - one["ingest_time"] for one in rig.samples()} == {5}


def test_more_samples_than_a_transaction_can_hold_are_written_in_several(rig: Rig) -> None:
    ensure_topics(rig.kafka, [SENSORS])
    with closing(Registry(rig.registry)) as registry:
        schema_id = registry.register(SENSORS.name, "SensorEvent")
    producer, size = Producer(producer_options(rig.kafka)), 60_000
    for n in range(3):  # of one partition: more than the producer's queue of 100,000
        asset, none = f"acme/{rig.name}/a0", np.array([])
        event = SensorEvent(
            asset, "plc", "s1", n, START + n * size, START, ("flow",), np.array([size]),
            np.arange(size, dtype=float), none, np.zeros(size), (), none.astype(np.int32),
            none.astype(np.int32),
        )  # fmt: skip
        producer.produce(SENSORS.name, frame(schema_id, encode(event)), asset.encode())
    producer.flush()
    with rig.flattening():
        rig.until(3 * size)
