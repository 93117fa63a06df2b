"""Processes of the stack: found by their mark, whatever the pid file says; ended for sure."""

import errno
import fcntl
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from penstock import logs
from penstock.errors import StackError
from penstock.local import folder, process, stack
from penstock.local.folder import StackFolder
from penstock.local.ports import HOST
from penstock.local.stack import LocalStack

PATIENT = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"
PATIENCE = 10.0

Spawn = Callable[..., psutil.Process]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    begun: list[psutil.Process] = []

    def start(code: str = PATIENT, mark: str = "mark") -> psutil.Process:
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-c", code, mark]
        pid = process.spawn(command, dict(os.environ), log, tmp_path / "pid")
        begun.append(psutil.Process(pid))
        while not log.exists() or b"ready" not in log.read_bytes():
            assert process.find(tmp_path / "pid", mark), log.read_text()
        return begun[-1]

    yield start
    process.kill(begun, PATIENCE)


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"-Dpenstock={tmp_path}:kafka"


def test_finds_its_process_in_a_session_of_its_own(spawn: Spawn, tmp_path: Path, mark: str) -> None:
    started = spawn(mark=mark)
    assert process.find(tmp_path / "pid", mark) == started
    assert os.getsid(started.pid) == started.pid != os.getsid(0)


def test_a_pid_that_another_process_has_now_is_not_ours(tmp_path: Path, mark: str) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert process.find(tmp_path / "pid", mark) is None


def test_a_process_that_has_no_command_line_yet_is_waited_for(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    early: Counter[int] = Counter()

    def cmdline(each: psutil.Process) -> list[str]:
        early[each.pid] += 1
        return [] if early[each.pid] <= 2 else known(each)

    known = psutil.Process.cmdline
    monkeypatch.setattr(psutil.Process, "cmdline", cmdline)
    pid = process.spawn(
        [sys.executable, "-c", PATIENT, mark], {}, tmp_path / "log", tmp_path / "pid"
    )
    found = process.find(tmp_path / "pid", mark)
    process.kill([psutil.Process(pid)], PATIENCE)
    assert found


@pytest.mark.parametrize("text", ["", "not a number", "-1", "999999999999"])
def test_a_stale_or_damaged_pid_file_finds_nothing(tmp_path: Path, mark: str, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert process.find(tmp_path / "pid", mark) is None


def test_finds_its_process_without_the_pid_file(spawn: Spawn, tmp_path: Path, mark: str) -> None:
    started = spawn(mark=mark)
    (tmp_path / "pid").unlink()
    assert process.find(tmp_path / "pid", mark) == started


def test_a_mark_that_only_begins_alike_is_another(spawn: Spawn, tmp_path: Path, mark: str) -> None:
    spawn(mark=f"{mark}-2")
    assert process.search(mark) == []


def test_stops_what_listens_to_sigterm_and_kills_what_does_not(
    spawn: Spawn, tmp_path: Path, mark: str
) -> None:
    spawn(mark=mark)
    process.stop(process.search(mark), PATIENCE)
    assert process.search(mark) == []
    spawn(STUBBORN, mark)
    process.stop(process.search(mark), 0.3)
    assert process.search(mark) == []


def test_down_ends_what_a_lost_start_left(spawn: Spawn, tmp_path: Path) -> None:
    left = LocalStack(tmp_path / "stack")
    started = spawn(mark=f"-Dpenstock={left.folder.path}:kafka")
    assert left.down() == ["kafka"]
    assert not started.is_running() or started.status() == psutil.STATUS_ZOMBIE
    assert left.down() == []


def test_tells_the_lines_that_matter_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ERROR of an earlier start\n")
    start = process.size(log)
    with log.open("a") as file:
        file.write("INFO begin\nERROR no space\nINFO stopping\njava.io.IOException: full\n")
    assert process.tell(log, start) == "ERROR no space\njava.io.IOException: full"
    assert process.tell(tmp_path / "none", 0) == ""


def test_tells_the_last_lines_where_none_stands_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"INFO {n}\n" for n in range(20)))
    assert process.tell(log, 0, count=2) == "INFO 18\nINFO 19"


def test_a_full_log_is_set_aside(tmp_path: Path, spawn: Spawn, monkeypatch, mark: str) -> None:
    monkeypatch.setattr(logs, "SIZE_LIMIT", 3)
    log = tmp_path / "full.log"
    log.write_text("old lines\n")
    command = [sys.executable, "-c", "", mark]
    process.spawn(command, dict(os.environ), log, tmp_path / "pid")
    process.stop(process.search(mark), PATIENCE)
    assert log.with_suffix(".log.1").read_text() == "old lines\n"


def test_two_commands_do_not_work_in_one_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folder, "LOCK_S", 0.2)
    ours = StackFolder(tmp_path / "stack")
    with ours.lock(), pytest.raises(StackError, match="another penstock command"):
        LocalStack(tmp_path / "stack").up()
    with (tmp_path / "stack" / "stack.lock").open() as lock:  # Free again, with no file removed.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_disk_that_is_full_by_now_is_named_with_the_folder(tmp_path: Path) -> None:
    ours = StackFolder(tmp_path / "stack")
    with pytest.raises(StackError, match="No space left") as caught, ours.lock():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.where == str(tmp_path / "stack")


def test_a_service_that_ends_at_once_is_told_with_its_log(tmp_path: Path, monkeypatch) -> None:
    class Broken:
        name, port, address, version = "kafka", 0, "", ""

        def command(self, jars, mark):
            code = "import sys; sys.exit('java.io.IOException: No space left on device')"
            return [sys.executable, "-c", code, mark]

        def environment(self):
            return dict(os.environ)

        def answers(self):
            return False

    broken = LocalStack(tmp_path / "stack", 0, 0)
    monkeypatch.setattr(broken, "service", lambda name: Broken())
    with pytest.raises(StackError, match="No space left on device") as caught:
        broken.start("kafka")
    assert caught.value.where == str(broken.folder.log("kafka"))


def test_an_interrupted_start_leaves_no_orphan(tmp_path: Path, monkeypatch) -> None:
    class Slow:
        def command(self, jars, mark):
            return [sys.executable, "-c", PATIENT, mark]

        def environment(self):
            return dict(os.environ)

        def answers(self):
            raise KeyboardInterrupt

    slow = LocalStack(tmp_path / "stack", 0, 0)
    monkeypatch.setattr(slow, "service", lambda name: Slow())
    with pytest.raises(KeyboardInterrupt):
        slow.up()
    assert slow.running("kafka") is slow.running("registry") is None


def test_ports_are_asked_for_remembered_or_default(tmp_path: Path) -> None:
    place = tmp_path / "stack"
    assert LocalStack(place).port("kafka") == stack.DEFAULT_PORTS["kafka"]
    assert LocalStack(place, 1234).port("kafka") == 1234
    any_free = LocalStack(place, 0)
    assert any_free.port("kafka") == any_free.port("kafka") != 0
    place.mkdir()
    StackFolder(place).remember({"kafka": 4321})
    assert LocalStack(place).port("kafka") == LocalStack(place, 0).port("kafka") == 4321
    assert LocalStack(place, 1234).port("kafka") == 1234


def test_any_free_port_gives_up_a_remembered_one_that_was_taken(tmp_path: Path) -> None:
    place = tmp_path / "stack"
    place.mkdir()
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]
        StackFolder(place).remember({"kafka": taken})
        assert LocalStack(place).port("kafka") == taken
        any_free = LocalStack(place, 0)
        assert any_free.port("kafka") == any_free.port("kafka") != taken


@pytest.mark.parametrize("name", ["a,b", "a;b"])
def test_a_path_that_kafka_or_h2_would_split_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackError, match="comma, a semicolon"):
        LocalStack(tmp_path / name)
