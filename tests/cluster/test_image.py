"""The image as it is meant to run, with nothing to write to: its version, and a worker of it.

`make image` builds it and runs this. PENSTOCK_TEST_IMAGE names it; without that, or without Docker,
these tests are skipped. Kafka and the registry are the local stack, which the container reaches
over this machine's network.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from penstock import __version__
from penstock.local.ports import HOST, free_port
from penstock.local.stack import LocalStack
from penstock.runtime.selftest import selftest
from penstock.settings.loader import load_plant

DEADLINE = 60.0
STOP_SECONDS = 30
WRITABLE = ("/tmp", "/run/penstock")
LOCKED_DOWN: dict[str, Any] = {
    "user": "10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


@pytest.fixture(scope="module")
def image() -> str:
    """The name of an image that is there."""
    name = os.environ.get("PENSTOCK_TEST_IMAGE")
    if not name:
        pytest.skip("PENSTOCK_TEST_IMAGE names no image: make image")
    if sys.platform != "linux":
        pytest.skip("only on Linux a container shares this machine's network")
    try:
        with closing(DockerClient().client) as client:
            client.images.get(name)
    except ImageNotFound:
        pytest.fail(f"Docker has no image {name}: make image")
    except DockerException as error:
        pytest.fail(f"no Docker answers: {error}")
    testcontainers_config.ryuk_disabled = True  # an image more; what is started is removed here
    return name


@contextmanager
def running(image: str, *words: str, **more: Any) -> Iterator[Container]:
    """A container with nothing to write to but what is in memory."""
    container = DockerContainer(image, command=list(words), **LOCKED_DOWN, **more)
    for folder in WRITABLE:
        container.with_tmpfs_mount(folder, "uid=10001")
    with container:
        yield container.get_wrapped_container()


def test_it_tells_its_version(image: str) -> None:
    with running(image, "--version", network_mode="none") as container:
        assert container.wait(timeout=DEADLINE)["StatusCode"] == 0
        assert container.logs().decode() == f"penstock {__version__}\n"


@pytest.fixture
def stack(image: str, tmp_path: Path) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path / "stack", kafka_port=0, registry_port=0)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def test_a_worker_makes_windows_on_a_real_kafka(
    image: str, stack: LocalStack, tmp_path: Path
) -> None:
    file, port = tmp_path / "plant" / "plant.yaml", free_port()
    file.parent.mkdir()
    plant = {
        "version": 1,
        "environment": "image",
        "site": {"path": "acme/bremen"},
        "windows": {"sizes": {"1 s": {"reopen_for": "1 min"}}},
        "kafka": {"bootstrap": stack.kafka_settings().bootstrap},
        "registry": {"url": stack.registry_settings().url},
    }
    file.write_text(yaml.safe_dump(plant))
    words = [
        "work", "processor", "window-statistics", "--config", "/etc/penstock/plant.yaml",
        "--run-dir", "/run/penstock", "--port", str(port),
    ]  # fmt: skip
    with running(
        image, *words, network_mode="host", volumes=[(str(file.parent), "/etc/penstock", "ro")],
    ) as worker:  # fmt: skip
        await_ready(worker, port)
        assert selftest(load_plant(file), DEADLINE).asset == "acme/bremen/penstock/selftest"
        worker.stop(timeout=STOP_SECONDS)
        assert worker.wait()["StatusCode"] == 0, worker.logs().decode()


def await_ready(worker: Container, port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with urlopen(f"http://{HOST}:{port}/readyz", timeout=1):
                return
        except OSError:
            worker.reload()
            assert worker.status == "running", worker.logs().decode()
            assert time.monotonic() < deadline, worker.logs().decode()
            time.sleep(0.2)
