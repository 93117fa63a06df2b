"""Processes that outlive the command which started them, and how they are found again.

A process carries a mark in its command line that names its stack's folder and its service. A pid
file points to it; a pid that the system gave to another process, or a pid file that is gone, does
no harm, because the mark decides.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from penstock import logs
from penstock.errors import StackError

POLL_S: Final = 0.05
EXEC_S: Final = 5.0
"""A new process has its command line after an instant; on a busy machine, a longer one."""
TELLING: Final = ("ERROR", "FATAL", "Exception", "Caused by", "Error:", "error:")


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path, pidfile: Path) -> int:
    """Start a process in a session of its own, its output appended to a log; gives its pid."""
    logs.rotate(log)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        list(command),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    pidfile.write_text(f"{pid}\n", "utf-8")
    _await_command_line(pid)
    return pid


def find(pidfile: Path, mark: str) -> psutil.Process | None:
    """The running process that carries the mark."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(pidfile.read_text("utf-8")))
        if _carries(process, mark):
            return process
    return next(iter(search(mark)), None)


def search(mark: str) -> list[psutil.Process]:
    """All running processes that carry the mark, whatever the pid file says."""
    return [process for process in psutil.process_iter() if _carries(process, mark)]


def stop(processes: Iterable[psutil.Process], patience: float) -> None:
    """End processes: ask, and after `patience` seconds kill. All are gone afterwards.

    Raises:
        StackError: One does not even go when it is killed.
    """
    left = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        left = _wait(left, patience)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        msg = f"processes {pids} do not end, although killed"
        raise StackError(msg, remedy="they wait for a disk or network drive: restore it")


def kill(processes: Iterable[psutil.Process], patience: float) -> None:
    """End processes at once, as a power cut would; all are gone afterwards."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(processes, patience)


def size(log: Path) -> int:
    """How many bytes a log holds; 0 where there is none."""
    return log.stat().st_size if log.exists() else 0


def tell(log: Path, start: int, count: int = 8) -> str:
    """The last lines that matter of a log, from byte `start` on."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    telling = [line for line in lines if any(word in line for word in TELLING)]
    return "\n".join((telling or lines)[-count:])


@contextlib.contextmanager
def unwound() -> Iterator[None]:
    """While it lasts, SIGTERM ends the program as Ctrl-C does: what was begun is undone."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_command_line(pid: int) -> None:
    """Wait for what the process will be found by: just after it was made it has none."""
    deadline = time.monotonic() + EXEC_S
    with contextlib.suppress(psutil.Error):  # It has ended already.
        while not psutil.Process(pid).cmdline() and time.monotonic() < deadline:
            time.sleep(0.001)


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return not _ended(process) and mark in process.cmdline()
    except psutil.Error:
        return False


def _wait(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait until the processes have ended; gives those that have not in time."""
    deadline = time.monotonic() + patience
    while (left := [each for each in processes if not _ended(each)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(POLL_S)
    return left


def _ended(process: psutil.Process) -> bool:
    """Whether it runs no more; its parent may be a third process that has not yet noticed."""
    try:
        if not process.is_running():
            return True
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
        if process.num_threads() > 1:  # Its other threads still end, and hold ports and files.
            return False
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0)  # Where it is our child, this takes it off the process table.
    except psutil.NoSuchProcess:
        pass
    return True
