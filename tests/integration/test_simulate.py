"""`penstock simulate`: it ends with any of its PLCs, and they with it, even if it is killed."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from penstock.factory import write_factory
from penstock.local.ports import free_port

DEADLINE = 90.0


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "penstock", "simulate", str(tmp_path / "factory")]
    names = ("opcua", "modbus", "mqtt")
    ports = [word for name in names for word in (f"--{name}-port", str(free_port()))]
    process = subprocess.Popen([*command, *ports], stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        for left in psutil.Process(process.pid).children(recursive=True):
            left.kill()
        process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def parts(process: subprocess.Popen[str], folder: Path) -> dict[str, psutil.Process]:
    """Its parts by name, once all PLCs have written truth."""
    deadline = time.monotonic() + DEADLINE
    while len(list(folder.glob("factory/truth/*.jsonl"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    return {part.cmdline()[-1]: part for part in psutil.Process(process.pid).children()}


def test_plcs_end_with_a_command_that_is_killed(
    simulate: subprocess.Popen[str], tmp_path: Path
) -> None:
    running = parts(simulate, tmp_path)
    simulate.kill()
    simulate.wait()
    gone, left = psutil.wait_procs(running.values(), DEADLINE)
    assert (len(gone), left) == (5, [])


def test_the_command_ends_with_one_plc_and_ends_the_other(
    simulate: subprocess.Popen[str], tmp_path: Path
) -> None:
    running = parts(simulate, tmp_path)
    running["press_plc"].kill()
    assert simulate.wait(DEADLINE) == 1
    assert not any(part.is_running() for part in running.values())
    assert simulate.stderr is not None
    assert "press_plc ended with -9" in simulate.stderr.read()


def test_a_factory_that_is_ended_while_it_starts_says_nothing_of_failures(
    simulate: subprocess.Popen[str],
) -> None:
    deadline = time.monotonic() + DEADLINE
    while len(psutil.Process(simulate.pid).children()) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    simulate.send_signal(signal.SIGINT)
    assert simulate.wait(DEADLINE) == 0
    assert simulate.stderr is not None
    assert "ended with" not in simulate.stderr.read()


def test_the_machines_go_on_without_their_erp_system(
    simulate: subprocess.Popen[str], tmp_path: Path
) -> None:
    running = parts(simulate, tmp_path)
    running.pop("erp").kill()
    assert simulate.stderr is not None
    assert any("the machines go on" in line for line in simulate.stderr)
    assert all(part.is_running() for part in running.values())
    simulate.send_signal(signal.SIGINT)
    assert simulate.wait(DEADLINE) == 0
    ended = [line for line in simulate.stderr if "ended with" in line]
    assert ended == ["erp ended with -9\n"]


def test_options_that_an_existing_factory_does_not_take_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write_factory(tmp_path, opcua_port=taken.getsockname()[1])
        command = [sys.executable, "-m", "penstock", "simulate", str(tmp_path)]
        done = subprocess.run(
            [*command, "--only", "press_plc", "--seed", "2", "--speed", "60"],
            capture_output=True,
            text=True,
            check=False,
        )
    told, error = done.stderr.split("\n", 1)
    assert "--speed, --seed ignored" in told and "port" not in told
    assert "is taken by" in error
