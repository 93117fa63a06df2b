"""A plant whose samples are flattened into a topic of its own."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from typing import Any

import numpy as np
from command_rig import DEADLINE, CommandRig
from confluent_kafka import Producer

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from schemas import SensorEvent, schema_text

START = 1_760_000_000_000_000
EVENTS = 400
Row = tuple[Any, ...]
"""Asset, tag, time, value, text, quality."""


class FlattenRig(CommandRig):
    """Feeds samples, runs `penstock topics flatten`, reads what came of them."""

    @property
    def topic(self) -> str:
        """Where the samples go."""
        return f"ot.{self.name}.v1"

    def feed(self, first: int = 0) -> list[Row]:
        """Publish events of numbers, texts and booleans; gives the samples in them.

        Args:
            first: The number of the first event.
        """
        ensure_topics(self.kafka, [SENSORS])
        with closing(Registry(self.registry)) as registry:
            schema_id = registry.register(SENSORS.name, "SensorEvent")
        producer, expected = Producer(producer_options(self.kafka)), list[Row]()
        for n in range(first, first + EVENTS):
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
        return expected

    def flattening(self, run: str = "run") -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run the command, with a folder of its own for its notes."""
        command = [sys.executable, "-m", "penstock", "topics", "flatten", "--topic", self.topic]
        return self.running([*command, "--config", str(self.config), "--run-dir", run])

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

    def rows(self) -> list[Row]:
        """The samples in the form in which `feed` gives them."""
        names = ("asset", "tag", "time", "value", "text", "quality")
        return [tuple(one[name] for name in names) for one in self.samples()]

    def until(self, count: int) -> None:
        """Wait until there are so many samples."""
        deadline = time.monotonic() + DEADLINE
        while len(self.samples()) < count:
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.1)
