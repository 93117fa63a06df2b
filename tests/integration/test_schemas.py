"""`penstock schemas` on a real registry, whose subjects the contract names: one of its own."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from typer.testing import CliRunner

from penstock.cli import app
from penstock.errors import PenstockError
from penstock.kafka.topics import TOPICS
from penstock.local.stack import LocalStack
from schemas import schema


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plant with a registry that is empty."""
    folder = tmp_path_factory.mktemp("schemas")
    stack = LocalStack(folder / "stack", kafka_port=0, registry_port=0)
    try:
        stack.start("registry")
        file = folder / "plant.yaml"
        plant = {
            "site": {"path": "acme/bremen"},
            "windows": {"sizes": {"10 s": {"reopen_for": "15 min"}}},
            "registry": {"url": stack.registry_settings().url},
        }
        file.write_text(json.dumps(plant))
        yield file
    finally:
        stack.down()


def told(config: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["schemas", *words, "--config", str(config)])
    if isinstance(done.exception, PenstockError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def test_schemas_are_registered_listed_and_held_against_what_is_there(config: Path) -> None:
    listed = [json.loads(line) for line in told(config, "list", "--json").splitlines()]
    assert {row["registered"] for row in listed} == {"no"}
    assert told(config, "check") == "0 schemas would be refused\n"

    registered = told(config, "register").splitlines()
    assert len(registered) == len(TOPICS)
    listed = [json.loads(line) for line in told(config, "list", "--json").splitlines()]
    assert {row["registered"] for row in listed} == {"as here"}
    assert [f"{row['topic']}: {row['record']} has id {row['id']}" for row in listed] == registered
    assert told(config, "register") == "".join(f"{line}\n" for line in registered)

    shown = json.loads(told(config, "show", "--id", str(listed[0]["id"])))
    assert shown == json.loads(told(config, "show", "SensorEvent")) == schema("SensorEvent")


def test_a_schema_that_would_break_readers_is_named(config: Path) -> None:
    url = json.loads(config.read_text())["registry"]["url"]
    subject = "ot.anomalies.v1-value"
    other = {"type": "record", "name": "AnomalyScore", "namespace": "io.penstock.v1",
             "fields": [{"name": "somebody_elses", "type": "string"}]}  # fmt: skip
    with closing(SchemaRegistryClient({"url": url})) as client:
        if subject in client.get_subjects():
            client.set_compatibility(subject, "NONE")
        client.register_schema(subject, Schema(json.dumps(other), "AVRO"))
        client.set_compatibility(subject, "FULL_TRANSITIVE")
    answer = told(config, "check", "ot.anomalies.v1", code=1)
    assert answer.splitlines() == [
        "ot.anomalies.v1: AnomalyScore would break readers of what is registered",
        "1 schemas would be refused",
    ]


def test_what_is_not_there_is_named(config: Path) -> None:
    with pytest.raises(PenstockError, match=r"no topic 'ot.sensor.v1' \(there are: ot.sensors.v1"):
        told(config, "register", "ot.sensor.v1")
    with pytest.raises(PenstockError, match=r"no record 'Sensor' \(there are: SensorEvent"):
        told(config, "show", "Sensor")
