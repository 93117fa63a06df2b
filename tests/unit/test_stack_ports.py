"""Ports: free or not, and who holds them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from penstock.errors import StackError
from penstock.local.ports import BELOW_EPHEMERAL, HOST, free_port, holder, is_free
from penstock.local.stack import LocalStack

LISTENER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def foreign() -> Iterator[tuple[int, int]]:
    """The port and pid of a listener in another process."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid


def test_a_free_port_is_one_that_outgoing_connections_leave_alone() -> None:
    port = free_port()
    assert port in BELOW_EPHEMERAL
    assert is_free(port)
    assert holder(port) is None


def test_no_port_is_given_twice_before_its_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.local.ports.BELOW_EPHEMERAL", range(15_000, 15_040))
    given = [free_port() for _ in range(10)]
    assert len(set(given)) == len(given)


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        found = holder(port)
        assert found is not None
        assert found.pid == os.getpid()
    assert is_free(port)


PRIVILEGED = """
import os, sys
from pathlib import Path
from penstock.local.ports import holder
if os.geteuid() == 0:
    os.setuid(65534)
lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
print(holder(81) if not lowest.exists() or int(lowest.read_text()) > 81 else "no such port here")
"""


def test_a_port_that_needs_rights_is_not_called_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRIVILEGED], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(("not for this user: ports below 1024", "no such port here"))


@pytest.mark.parametrize("name", ["kafka", "registry"])
def test_up_names_the_foreign_process(name: str, foreign, tmp_path) -> None:
    port, pid = foreign
    ports = {"kafka_port": 0, "registry_port": 0, f"{name}_port": port}
    stack = LocalStack(tmp_path / "stack", **ports)
    with pytest.raises(StackError) as caught:
        stack.up()
    process = psutil.Process(pid).name()
    assert caught.value.message == (
        f"port {port}, where {name} should listen, is taken by {process} (pid {pid})"
    )
    assert f"--{name}-port" in str(caught.value.remedy)
    assert not any(service.pid for service in stack.status().services)


def test_up_names_both_taken_ports_and_a_command(foreign, tmp_path) -> None:
    port, _ = foreign
    with socket.create_server((HOST, 0)) as server:
        stack = LocalStack(tmp_path / "stack", port, server.getsockname()[1])
        with pytest.raises(StackError, match=r"kafka .*; .*registry ") as caught:
            stack.up()
    place = stack.folder.path
    assert f"`penstock up --dir {place} --kafka-port 0 --registry-port 0`" in str(
        caught.value.remedy
    )
