"""`penstock dlq`: records that nobody could read are taken again, each once, and the books close.

The whole pipeline runs as processes on a stack of its own: the topics are those of the contract,
and the registry's next id can be told in advance.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from typer.testing import CliRunner

from penstock.audit import audit
from penstock.cli import app
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.dlq import Choice, read_letters
from penstock.errors import PenstockError, TopicError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.dead_letters import ACTION, RETRY
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS, TOPICS, dead_letters, retries
from penstock.lake import open_lake, query
from penstock.local.stack import LocalStack
from penstock.settings.loader import load_plant
from penstock.state.fencing import open_producer
from penstock.state.overview import overview
from schemas import SensorEvent, schema
from streams.window_statistics import WindowStatisticsProcessor

POISONED = 1000
GOOD = 200
SAMPLES = 3
START = 1_760_000_000_000_000
DEADLINE = 90.0
ASSET = "acme/bremen/hall/a1"
NONE, INTS = np.empty(0), np.empty(0, np.int32)


def until(condition: Callable[[], Any], what: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)
    return found


class Rig:
    """A plant without devices: processors and a lake, fed by the test."""

    def __init__(self, folder: Path, stack: LocalStack) -> None:
        self.folder, self.lake = folder, folder / "lake"
        self.config = folder / "plant.yaml"
        self.kafka = stack.kafka_settings().model_copy(update={"partitions": 4})
        registry = stack.registry_settings()
        self.config.write_text(
            json.dumps(
                {
                    "site": {"path": "acme/bremen"},
                    "windows": {"sizes": {"5 s": {"reopen_for": "1 h"}}},
                    "sinks": {"lake": {"type": "parquet", "path": "lake", "roll": "200 ms"}},
                    "kafka": {"bootstrap": self.kafka.bootstrap, "partitions": 4},
                    "registry": {"url": registry.url},
                }
            )
        )
        self.plant = load_plant(self.config)
        ensure_topics(self.kafka, [*TOPICS, dead_letters(SENSORS.name), retries(SENSORS.name)])
        self.registry = Registry(registry)
        self.schema = self.registry.register(SENSORS.name, "SensorEvent")
        self.producer = Producer(producer_options(self.kafka))
        self.sequence = 0

    def feed(self, schema_id: int, values: list[float]) -> None:
        """One event of an asset; all are of a few minutes, as the windows stay open for an hour."""
        asset, at = f"acme/bremen/hall/a{self.sequence % 7}", START + self.sequence * 10_000
        event = SensorEvent(
            asset, "plc", "s1", self.sequence, at, at, ("power",), np.array([len(values)]),
            np.arange(len(values), dtype=float), NONE, np.array(values), (), INTS, INTS,
        )  # fmt: skip
        self.sequence += 1
        self.raw(asset, frame(schema_id, encode(event)))

    def raw(self, key: str, value: bytes) -> None:
        self.producer.produce(SENSORS.name, key=key.encode(), value=value)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The components that read the sensor topic, each as a process."""
        processes = []
        for words in (("processor", "window-statistics"), ("sink", "lake")):
            command = [sys.executable, "-m", "penstock", "work", *words]
            command += ["--config", str(self.config), "--run-dir", str(self.folder / "run")]
            with (self.folder / f"{words[1]}.log").open("ab") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()

    def penstock(self, *words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--config", str(self.config)])
        assert done.exit_code == 0, done.output
        return done.output

    def letters(self, **choice: Any) -> dict[str, int]:
        """The open letters of each component."""
        found: dict[str, int] = {}
        for letter in read_letters(self.kafka, SENSORS.name, Choice(**choice)):
            found[letter.origin.component] = found.get(letter.origin.component, 0) + 1
        return found

    def values(self) -> list[float]:
        """Of all samples in the lake."""
        try:
            return [
                row[0] for row in query(open_lake(str(self.lake)), "select value from samples")[1]
            ]
        except PenstockError:
            return []

    def books(self) -> dict[str, int]:
        """Of window-statistics, summed over its partitions."""
        with contextlib.suppress(TopicError):
            found = overview(self.plant, WindowStatisticsProcessor(self.plant))
            records = [part.records for part in found.partitions]
            return {name: sum(each[name] for each in records) for name in records[0]}
        return {}

    def logs(self) -> str:
        return "\n".join(file.read_text()[-3000:] for file in self.folder.glob("*.log"))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    stack = LocalStack(tmp_path / "stack", kafka_port=0, registry_port=0)
    try:
        stack.start("kafka")
        stack.start("registry")
        rig = Rig(tmp_path, stack)
        yield rig
        rig.registry.close()
    finally:
        stack.down()


@pytest.mark.timeout(900)  # many processes, and a slow machine
def test_a_thousand_poisoned_records_are_taken_again_once_and_the_books_close(rig: Rig) -> None:
    later = rig.schema + 6  # of a schema that somebody registers too late
    values = iter(range(10**6))
    fed = []
    for n in range(POISONED + GOOD):
        mine = [float(next(values)) for _ in range(SAMPLES)]
        fed += mine
        rig.feed(later if n % 6 else rig.schema, mine)
    rig.raw(ASSET, frame(rig.schema, b"\x07nonsense"))
    rig.producer.flush()
    both = {"lake": POISONED + 1, "window-statistics": POISONED + 1}

    with rig.running():
        until(lambda: rig.letters() == both, lambda: f"{rig.letters()}\n{rig.logs()}")
        assert rig.letters(reason="UnknownSchema") == {n: POISONED for n in both}
        assert rig.letters(component="lake", key="acme/bremen/hall/a1", reason="decode") == {
            "lake": 1
        }
        assert "2,002 open dead letters" in rig.penstock("dlq", "list")
        assert (
            len(rig.penstock("dlq", "list", "--component", "lake", "--json").splitlines()) == 1001
        )

        _register(rig, later)
        _leave_a_broken_off_retry(rig)
        told = rig.penstock("dlq", "retry", "--reason", "UnknownSchema")
        assert told.splitlines() == [
            "lake: 1,000 dead letters to be taken again",
            "window-statistics: 1,000 dead letters to be taken again",
        ]
        again = rig.penstock("dlq", "retry", "--reason", "UnknownSchema")
        assert again == "no open dead letter is chosen\n"

        until(lambda: len(rig.values()) >= len(fed), rig.logs)
        until(lambda: rig.books().get("processed") == POISONED + GOOD, rig.logs)

        # What fails again is a dead letter again.
        (broken,) = read_letters(rig.kafka, SENSORS.name, Choice("lake"))
        rig.penstock("dlq", "retry", "--place", broken.origin.place)
        attempts = until(
            lambda: [
                one.origin.component
                for one in read_letters(rig.kafka, SENSORS.name, Choice(place=broken.origin.place))
                if one.origin.attempt == 1
            ][1:],
            rig.logs,
        )
        assert attempts
        shown = rig.penstock("dlq", "show", broken.origin.place)
        assert "attempt   1" in shown
        assert "DecodeError" in shown and "Traceback" not in shown
        whole = rig.penstock("dlq", "show", broken.origin.place, "--stacktrace")
        assert "penstock.errors.DecodeError" in whole
        assert "dropped" in rig.penstock("dlq", "drop", "--place", broken.origin.place, "--yes")
        assert rig.letters() == {}
        until(lambda: rig.books().get("retried") == POISONED + 1, rig.logs)

    assert sorted(rig.values()) == fed
    assert rig.books() == {
        "in": POISONED + GOOD + 1, "processed": POISONED + GOOD, "duplicate": 0,
        "dead": POISONED + 2, "lost": 0, "retried": POISONED + 1,
    }  # fmt: skip
    assert audit(rig.plant).differences == []

    with rig.running():  # whoever takes over takes nothing twice
        rig.feed(rig.schema, [0.5])
        rig.producer.flush()
        until(lambda: 0.5 in rig.values(), rig.logs)
        until(lambda: rig.books()["in"] == POISONED + GOOD + 2, rig.logs)
    assert sorted(rig.values()) == sorted([*fed, 0.5])
    assert rig.books()["retried"] == POISONED + 1
    assert audit(rig.plant).differences == []


def _register(rig: Rig, schema_id: int) -> None:
    """Register a schema that gets an id, and before it what takes those up to there."""
    found, subject = schema("SensorEvent"), f"{SENSORS.name}-value"
    with closing(SchemaRegistryClient({"url": rig.plant.registry.url})) as client:
        for n in range(schema_id):
            found["doc"] = f"As somebody else describes it, {n}."
            if client.register_schema(subject, Schema(json.dumps(found), "AVRO")) == schema_id:
                return
    pytest.fail(f"no schema got the id {schema_id}")


def _leave_a_broken_off_retry(rig: Rig) -> None:
    """A retry that was killed after it had sent all, before it could commit."""
    topic = retries(SENSORS.name)
    ensure_topics(rig.kafka, [topic])
    producer = open_producer(rig.kafka, f"plant-dlq-{SENSORS.name}", topic.name)
    producer.begin_transaction()
    for letter in read_letters(rig.kafka, SENSORS.name, Choice("lake")):
        producer.produce(
            topic.name, letter.value, letter.key, partition=letter.origin.partition,
            headers=[*letter.headers, (ACTION, RETRY.encode())],
        )  # fmt: skip
    producer.flush()
