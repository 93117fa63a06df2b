"""Children that end are started again, unless they refuse; a stop leaves none."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from penstock import logs
from penstock.errors import ConfigurationError
from penstock.runtime.run_folder import sole
from penstock.runtime.supervisor import Supervisor

WAITS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
    "print('up', flush=True)\n"
    "while True: time.sleep(600)",
]
DEADLINE = 20.0


def ends(code: int) -> list[str]:
    return [sys.executable, "-c", f"import sys; print('up', flush=True); sys.exit({code})"]


def says(*lines: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; print(*{lines!r}, sep='\\n'); sys.exit(2)"]


class Watched(Supervisor):
    """A supervisor that is watched until something holds, and remembers what it found dead."""

    dead: list[str]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline
            self.dead += self.watch()
            time.sleep(0.01)

    def starts(self, name: str) -> int:
        file = self.log_file(name)
        return file.read_text().count("up") if file.exists() else 0


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []
    before = psutil.Process().children()

    def make(**commands: list[str]) -> Watched:
        made.append(Watched(commands, tmp_path / "logs", stop_seconds=1.0))
        made[-1].dead = []
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()
    assert psutil.Process().children() == before


def test_a_child_that_dies_is_started_again_after_a_pause(
    supervise: Callable[..., Watched],
) -> None:
    supervisor = supervise(worker=WAITS, other=WAITS)
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("worker") == 1)
    supervisor.kill("worker")
    supervisor.until(lambda: supervisor.dead == ["worker"])
    assert not supervisor.alive("worker")
    assert supervisor.watch() == [], "said once, and not yet started again"
    assert not supervisor.alive("worker")
    supervisor.until(lambda: supervisor.starts("worker") == 2)
    assert supervisor.alive("worker")
    assert supervisor.starts("other") == 1


def test_a_crash_loop_waits_longer_each_time(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(worker=ends(1))
    began = time.monotonic()
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("worker") == 4)
    assert time.monotonic() - began > 0.1 + 0.2 + 0.4, "at least half of 0.2, 0.4 and 0.8 s"


def test_an_end_without_error_is_started_again_too(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(worker=ends(0))
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("worker") == 2)


def test_a_refused_configuration_is_given_up(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(worker=ends(2), other=WAITS)
    supervisor.start()
    supervisor.until(lambda: supervisor.given_up() == ["worker"])
    deadline = time.monotonic() + 0.5  # more than the first back-off
    supervisor.until(lambda: time.monotonic() > deadline)
    assert supervisor.starts("worker") == 1
    assert supervisor.dead == ["worker"]
    assert supervisor.alive("other")


def test_a_stop_kills_what_does_not_stop(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(stubborn=STUBBORN, worker=WAITS)
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("stubborn") + supervisor.starts("worker") == 2)
    supervisor.stop()
    assert not supervisor.alive("stubborn")
    assert not supervisor.alive("worker")
    assert "no" in supervisor.log_file("stubborn").read_text(), "it was asked first"
    assert supervisor.watch() == [], "what was stopped stays so"


def test_the_last_error_is_of_the_last_start(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(worker=says("error PEN-101 unknown", "  → name another"), other=WAITS)
    log = supervisor.log_file("worker")
    log.parent.mkdir(parents=True)
    log.write_text("error PEN-999 of an earlier start\n")
    supervisor.start()
    supervisor.until(lambda: supervisor.given_up() == ["worker"])
    assert supervisor.last_error("worker") == "error PEN-101 unknown"
    supervisor.until(lambda: supervisor.starts("other") == 1)
    assert supervisor.last_error("other") == "up"


def test_what_was_killed_is_not_said_to_have_ended_by_an_older_error(
    supervise: Callable[..., Watched],
) -> None:
    waits = "import time; print('error once', flush=True); print('up', flush=True); time.sleep(600)"
    supervisor = supervise(worker=[sys.executable, "-c", waits])
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("worker") == 1)
    supervisor.kill("worker")
    supervisor.until(lambda: supervisor.dead == ["worker"])
    assert supervisor.last_error("worker") == "ended by signal 9 (Killed)"
    supervisor.until(lambda: supervisor.starts("worker") == 2)
    assert supervisor.last_error("worker") == "error once"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"event": "gave up", "error": "no broker"}', "no broker"),
        ('{"event": "gave up"}', "gave up"),
        ("[1, 2]", "[1, 2]"),
        ("", ""),
    ],
)
def test_an_error_in_json_is_told_in_words(
    supervise: Callable[..., Watched], line: str, told: str
) -> None:
    supervisor = supervise(worker=says(line))
    supervisor.start()
    supervisor.until(lambda: supervisor.given_up() == ["worker"])
    assert supervisor.last_error("worker") == told


def test_a_part_may_be_started_and_stopped(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(sink=WAITS, connector=WAITS)
    supervisor.start(["sink"])
    supervisor.until(lambda: supervisor.starts("sink") == 1)
    assert not supervisor.alive("connector")
    supervisor.start(["connector"])
    supervisor.until(lambda: supervisor.starts("connector") == 1)
    supervisor.stop(["connector"])
    assert supervisor.alive("sink")


def test_components_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    component = (
        "import pathlib, sys, time\n"
        "from penstock.runtime.process import Component, on_stop_signal, process\n"
        "stopped = []\n"
        "with process(Component('sink', 'lake'), pathlib.Path(sys.argv[1])):\n"
        "    on_stop_signal(lambda: stopped.append(1))\n"
        "    print('up', flush=True)\n"
        "    while not stopped: time.sleep(0.05)\n"
        "print('stopped', flush=True)"
    )
    script = (
        "import pathlib, sys, time\n"
        "from penstock.runtime.supervisor import Supervisor\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        f"command = [sys.executable, '-c', {component!r}, str(folder)]\n"
        "Supervisor({'sink': command}, folder).start()\n"
        "time.sleep(600)"
    )
    log = tmp_path / "sink.log"
    supervisor = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    try:
        until(lambda: log.exists() and "up" in log.read_text())
        (child,) = psutil.Process(supervisor.pid).children()
    finally:
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
    until(lambda: "stopped" in log.read_text())
    child.wait(DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_stopped_has_not_given_up(supervise: Callable[..., Watched]) -> None:
    supervisor = supervise(refusing=ends(2), worker=WAITS)
    supervisor.start()
    supervisor.until(lambda: supervisor.given_up() == ["refusing"])
    supervisor.until(lambda: supervisor.starts("worker") == 1)
    supervisor.stop()
    assert supervisor.given_up() == ["refusing"]
    supervisor.start(["worker"])
    supervisor.until(lambda: supervisor.starts("worker") == 2)
    supervisor.kill("worker")
    supervisor.until(lambda: supervisor.starts("worker") == 3)


def test_a_log_that_has_grown_large_is_set_aside(
    supervise: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SIZE_LIMIT", 3)
    supervisor = supervise(worker=WAITS)
    log = supervisor.log_file("worker")
    log.parent.mkdir(parents=True)
    log.write_text("old lines\n")
    log.with_name("worker.log.1").write_text("older lines\n")
    supervisor.start()
    supervisor.until(lambda: supervisor.starts("worker") == 1)
    assert sorted(file.name for file in log.parent.iterdir()) == ["worker.log", "worker.log.1"]
    assert log.with_name("worker.log.1").read_text() == "old lines\n"


def test_a_run_folder_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with sole(folder, "--run-dir"), pytest.raises(ConfigurationError) as caught:
        with sole(folder, "--run-dir"):
            raise AssertionError("not reached")
    assert f"process {os.getpid()}" in str(caught.value)
    assert "--run-dir" in str(caught.value)
    with sole(folder, "--run-dir"):
        pass
