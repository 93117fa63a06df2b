"""What all tests share: a Kafka and a schema registry, and names that do not collide.

They are, in this order: those that PENSTOCK_TEST_KAFKA (host:port) and PENSTOCK_TEST_REGISTRY (URL)
name; with PENSTOCK_TEST_CONTAINERS=1, containers; else the local stack in a temporary folder. The
local stack is started by the first test that wants it, shared by all workers of a run, and stopped
when the run ends. A guard process stops it even where the run itself is killed.
"""

import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from penstock.local.stack import LocalStack
from penstock.settings.plant import KafkaSettings, RegistrySettings

FOLDER = "PENSTOCK_TEST_STACK"
REGISTRY_IMAGE = "apicurio/apicurio-registry:2.6.13.Final"
PARTITIONS = 4
GUARD = """
import pathlib, shutil, sys
folder = pathlib.Path(sys.argv[1])
sys.stdin.read()  # Ends when the test run does, however it ends.
if any(folder.iterdir()):
    from penstock.local.stack import LocalStack
    LocalStack(folder).down()
shutil.rmtree(folder)
"""
_run = ExitStack()
# Speed is a bench's matter: on a busy machine a test must not fail because drawing data took long.
_UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("alike", derandomize=True, **_UNTIMED)
settings.register_profile("exploring", print_blob=True, **_UNTIMED)
settings.load_profile("alike")


def pytest_configure(config: pytest.Config) -> None:
    """In the process that leads the run, not in its workers: choose where the stack will be."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.mkdtemp(prefix="penstock-test-")
    os.environ[FOLDER] = folder
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD, folder], stdin=subprocess.PIPE, start_new_session=True
    )
    assert guard.stdin is not None
    _run.callback(guard.wait, timeout=60)
    _run.callback(guard.stdin.close)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the guard stop the stack, and wait for it."""
    _run.close()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    """A Kafka that answers; shared, so every test uses topics and groups of its own (`unique`)."""
    with ExitStack() as stack:
        if not (bootstrap := os.environ.get("PENSTOCK_TEST_KAFKA")):
            bootstrap = stack.enter_context(_kafka_container() if _containers() else _local_kafka())
        yield KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS, replication=1)


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistrySettings]:
    """A schema registry that answers; shared, so every test uses subjects of its own."""
    with ExitStack() as stack:
        if not (url := os.environ.get("PENSTOCK_TEST_REGISTRY")):
            url = stack.enter_context(_registry_container() if _containers() else _local_registry())
        yield RegistrySettings(url=url)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name that no other test and no other run has, fit for topics, groups and subjects."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{name}-{uuid.uuid4().hex[:8]}"


def _containers() -> bool:
    return os.environ.get("PENSTOCK_TEST_CONTAINERS") == "1"


def _local_stack() -> LocalStack:
    return LocalStack(Path(os.environ[FOLDER]), kafka_port=0, registry_port=0)


@contextmanager
def _local_kafka() -> Iterator[str]:
    stack = _local_stack()
    stack.start("kafka")
    yield stack.kafka_settings().bootstrap


@contextmanager
def _local_registry() -> Iterator[str]:
    stack = _local_stack()
    stack.start("registry")
    yield stack.registry_settings().url


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - needs Docker

    with KafkaContainer().with_kraft() as container:
        yield container.get_bootstrap_server()


@contextmanager
def _registry_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - needs Docker
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415

    path = "/apis/ccompat/v7"
    ready = HttpWaitStrategy(8080, f"{path}/subjects")
    image = DockerContainer(REGISTRY_IMAGE).with_exposed_ports(8080).waiting_for(ready)
    with image as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(8080)
        yield f"http://{host}:{port}{path}"
