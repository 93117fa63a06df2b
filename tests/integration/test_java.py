"""The Java program of the documentation reads what Penstock writes, with a stock deserialiser.

Compiled by Eclipse's compiler on the Java that comes as a wheel; its jars are pinned beside.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.errors import StackError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.local import artifacts, java
from penstock.local.artifacts import Artifact
from penstock.settings.plant import KafkaSettings, RegistrySettings
from schemas import SensorEvent

PROGRAM = Path(__file__).parents[2] / "examples" / "java" / "ReadSensors.java"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "read-topics-from-java.md"
PINS = Path(__file__).with_name("java_jars.json")
START = 1_760_000_000_000_000
EVENTS = 200
DEADLINE = 90.0


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the compiled program and what it needs."""
    pins = [Artifact(**pin) for pin in json.loads(PINS.read_text())]
    try:
        *jars, compiler = artifacts.locate(pins)
        jars += artifacts.locate(artifacts.pinned("kafka"))
    except StackError as error:
        pytest.skip(f"the jars cannot be had: {error}")
    folder = tmp_path_factory.mktemp("classes")
    path = os.pathsep.join([str(folder), *map(str, jars)])
    command = [java.java(), "-XX:TieredStopAtLevel=1", "-jar", str(compiler), "-source", "17"]
    command += ["-target", "17", "-cp", path, "-d", str(folder), str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return path


def feed(kafka: KafkaSettings, registry: RegistrySettings, topic: str) -> list[str]:
    """Write numbers, gaps, booleans and texts; gives the lines that should be printed."""
    ensure_topics(kafka, [replace(SENSORS, name=topic)])
    with closing(Registry(registry)) as known:
        schema_id = known.register(SENSORS.name, "SensorEvent")
    producer, lines = Producer(producer_options(kafka)), []
    for n in range(EVENTS):
        asset, at = f"acme/lab/press{n % 3}", START + n * 1000
        plain = n % 2 == 0  # columns of length 1, absent kinds and quality
        event = SensorEvent(
            asset, "plc", "s1", n, at, at, ("flow", "on", "state"), np.array([2, 1, 1]),
            np.array([7.0]) if plain else np.array([0.0, 1.0, 2.0, 3.0]), np.empty(0),
            np.array([n / 7, np.nan, 1.0, 0.0]), () if plain else ("läuft",),
            np.empty(0, np.int32) if plain else np.array([0, 2, 1], np.int32),
            np.empty(0, np.int32) if plain else np.array([0, -1, 0, 0], np.int32),
        )  # fmt: skip
        producer.produce(topic, frame(schema_id, encode(event)), asset.encode())
        times = [at + 7] * 4 if plain else [at, at + 1, at + 2, at + 3]
        codes = ["00000000"] * 4 if plain else ["00000000", "ffffffff", "00000000", "00000000"]
        values = [repr(n / 7), "NaN", "1.0", "0.0" if plain else "läuft"]
        lines += [
            "\t".join([asset, tag, str(time_), value, code])
            for tag, time_, value, code in zip(
                ("flow", "flow", "on", "state"), times, values, codes, strict=True
            )
        ]
    producer.flush()
    return lines


@contextmanager
def reading(
    class_path: str, kafka: KafkaSettings, url: str, topic: str, folder: Path
) -> Iterator[Path]:
    """Run the program; gives the file with what it prints."""
    command = [java.java(), *java.FLAGS, "-Xmx128m", "-Dstdout.encoding=UTF-8", "-cp", class_path]
    command += ["ReadSensors", kafka.bootstrap, url, topic, topic]
    out, log = folder / "out", folder / "log"
    with out.open("wb") as printed, log.open("wb") as told:
        process = subprocess.Popen(command, stdout=printed, stderr=told)
    try:
        yield out
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()


def test_a_stock_deserialiser_reads_every_sample_as_it_was_written(
    class_path: str, kafka: KafkaSettings, registry: RegistrySettings, unique: str, tmp_path: Path
) -> None:
    base, native, _ = registry.url.partition("/apis/ccompat/")
    if not native:
        pytest.skip(f"{registry.url} is no Apicurio Registry")
    expected = feed(kafka, registry, unique)
    with reading(class_path, kafka, f"{base}/apis/registry/v2", unique, tmp_path) as out:
        deadline = time.monotonic() + DEADLINE
        while len(lines := out.read_text("utf-8").splitlines()) < len(expected):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.05)
    assert [numbered(line) for line in sorted(lines)] == [
        numbered(line) for line in sorted(expected)
    ]


def numbered(line: str) -> list[str | float]:
    """The columns, a number as such: Java writes some of them otherwise."""
    asset, tag, at, value, code = line.split("\t")
    try:
        return [asset, tag, at, repr(float(value)), code]
    except ValueError:
        return [asset, tag, at, value, code]


def test_the_page_names_the_versions_that_were_tried() -> None:
    page = PAGE.read_text("utf-8")
    pins = {pin["name"]: pin["version"] for pin in json.loads(PINS.read_text())}
    kafka = next(one for one in artifacts.pinned("kafka") if one.name == "kafka-clients")
    serde = "apicurio-registry-serdes-avro-serde"
    tried = {serde: pins[serde], "avro": pins["avro"], kafka.name: kafka.version}
    for name, version in tried.items():
        assert f"{name}</artifactId><version>{version}<" in page
    settings = [
        line.split('"')[1::2] for line in PROGRAM.read_text().splitlines() if ".put(" in line
    ]
    for words in settings:
        assert all(word in page for word in words), words
