"""The local stack for real: it starts, keeps topics and schema ids through kills, and goes away."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from penstock.errors import StackError
from penstock.local import process
from penstock.local.ports import HOST, is_free
from penstock.local.stack import LocalStack

SCHEMA = Schema('{"type": "record", "name": "R", "fields": []}', "AVRO")
UP = """
import signal, sys
from pathlib import Path
from penstock.local.process import unwound
from penstock.local.stack import LocalStack

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
with unwound():
    LocalStack(Path(sys.argv[1]), 0, 0).up()
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    ours = LocalStack(tmp_path / "stack", 0, 0)
    yield ours
    ours.down()


def pids(stack: LocalStack) -> list[int | None]:
    return [service.pid for service in stack.status().services]


def marked(stack: LocalStack) -> list[psutil.Process]:
    return [p for name in ("kafka", "registry") for p in process.search(stack._mark(name))]


def until_begun(stack: LocalStack, command: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Wait until a start in another process has begun a service, and not more."""
    deadline = time.monotonic() + 30
    while not (begun := marked(stack)):
        assert command.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return begun


def topics(stack: LocalStack) -> set[str]:
    admin = AdminClient({"bootstrap.servers": stack.kafka_settings().bootstrap})
    return set(admin.list_topics(timeout=10).topics)


def schema_id(stack: LocalStack) -> int:
    with SchemaRegistryClient({"url": stack.registry_settings().url}) as client:
        return client.get_latest_version("kept-value").schema_id


def listening(stack: LocalStack) -> set[str]:
    """The addresses that the services listen on."""
    every = [entry for running in marked(stack) for entry in running.net_connections("tcp")]
    ours = [entry.laddr for entry in every if entry.status == psutil.CONN_LISTEN]
    assert {stack.port("kafka"), stack.port("registry")} < {address.port for address in ours}
    return {address.ip.removeprefix("::ffff:") for address in ours}


def keep_something(stack: LocalStack) -> int:
    """Make a topic and two schemas, so that an id to keep is not simply the first."""
    admin = AdminClient({"bootstrap.servers": stack.kafka_settings().bootstrap})
    admin.create_topics([NewTopic("kept", 3, 1)])["kept"].result(30)
    with SchemaRegistryClient({"url": stack.registry_settings().url}) as client:
        client.register_schema("other-value", Schema('"string"', "AVRO"))
        return client.register_schema("kept-value", SCHEMA)


def test_a_life(stack: LocalStack) -> None:
    now = stack.up()
    assert now.up
    assert json.loads(json.dumps(now.as_dict()))["up"] is True
    first = pids(stack)
    assert None not in first
    assert pids(stack) == [s.pid for s in LocalStack(stack.folder.path).up().services] == first

    assert listening(stack) == {HOST}
    kept = keep_something(stack)
    stack.kill("registry")  # First: it had the least time to write.
    stack.kill("kafka")
    assert [service.state for service in stack.status().services] == ["down", "down"]
    assert marked(stack) == []
    again = LocalStack(stack.folder.path)  # Knows the ports from before.
    assert again.up().up
    assert set(pids(again)).isdisjoint(first)
    assert "kept" in topics(again)
    assert schema_id(again) == kept

    assert sorted(again.down()) == ["kafka", "registry"]
    assert marked(again) == []
    assert all(is_free(again.port(name)) for name in ("kafka", "registry"))
    assert not list((again.folder.path / "run").iterdir())
    assert again.up().up  # After a clean stop too.
    assert "kept" in topics(again)
    assert schema_id(again) == kept


def test_one_service_can_be_killed_and_started_alone(stack: LocalStack) -> None:
    stack.start("registry")
    assert [service.state for service in stack.status().services] == ["down", "up"]
    stack.kill("registry")
    stack.kill("registry")  # Nothing happens.
    stack.start("registry")
    assert stack.status().services[1].state == "up"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_leaves_nothing(stack: LocalStack, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(stack.folder.path)], stderr=subprocess.DEVNULL
    ) as command:
        until_begun(stack, command)
        command.send_signal(number)
        assert command.wait(30) != 0
    assert marked(stack) == []


def test_starts_at_once_share_what_a_killed_one_began(stack: LocalStack) -> None:
    with subprocess.Popen([sys.executable, "-c", UP, str(stack.folder.path)]) as command:
        begun = until_begun(stack, command)
        command.kill()
    others = [LocalStack(stack.folder.path, 0, 0) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda each: each.up(), others))
    assert len({tuple(service.pid for service in now.services) for now in seen}) == 1
    assert begun[0].pid in pids(stack)
    assert len(marked(stack)) == 2


def test_a_broker_that_cannot_start_is_told_with_its_log(stack: LocalStack) -> None:
    data = stack.folder.path / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=another\n")
    with pytest.raises(StackError, match="kafka ended; its log says") as caught:
        stack.start("kafka")
    assert "node id 7 doesn't match" in caught.value.message
    assert caught.value.where == str(stack.folder.log("kafka"))
    assert marked(stack) == []
