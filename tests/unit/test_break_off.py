"""The first signal asks for an end in good order, the second leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import pathlib, sys, time
from penstock.runtime.process import on_stop_signal
from penstock.runtime.supervisor import Supervisor

grand = [sys.executable, "-c", "import time; time.sleep(600)"]
stubborn = f'''
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen({grand})
print("up", flush=True)
time.sleep(600)
'''
supervisor = Supervisor({"child": [sys.executable, "-c", stubborn]}, pathlib.Path(sys.argv[1]))
on_stop_signal(lambda: print("stopping", flush=True), supervisor.break_off)
supervisor.start()
while True:
    supervisor.watch()
    time.sleep(0.02)
"""
DEADLINE = 20.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills_all_that_was_started(tmp_path: Path, number: int) -> None:
    log = tmp_path / "child.log"
    ours = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with ours:
        started: list[psutil.Process] = []
        try:
            deadline = time.monotonic() + DEADLINE
            while not (log.exists() and "up" in log.read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            started = psutil.Process(ours.pid).children(recursive=True)
            assert len(started) == 2
            ours.send_signal(number)
            assert ours.stdout is not None and ours.stdout.readline() == "stopping\n"
            assert ours.poll() is None
            ours.send_signal(number)
            assert ours.wait(DEADLINE) == 128 + number
            _, alive = psutil.wait_procs(started, DEADLINE)
            assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
        finally:
            ours.kill()
            for one in started:
                if one.is_running():
                    one.kill()
