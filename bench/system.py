"""What is compared: a system is started on a topic, runs by itself, and is stopped."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.cluster import Cluster, Row
from bench.results import Result


@dataclass(frozen=True)
class Task:
    """One run: what is read, where results go, under a name that no other run has."""

    cluster: Cluster
    name: str
    reads: str
    writes: str
    folder: Path


class Running:
    """The processes of a system at work."""

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        log: Path,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self._processes = [
                psutil.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
                for command in commands
            ]

    def check(self) -> None:
        """Raise if a process has ended by itself."""
        for process in self._processes:
            if process.poll() is not None:
                tail = self.log.read_text("utf-8", "replace")[-3000:]
                msg = f"a process ended with {process.returncode}; its log ends:\n{tail}"
                raise RuntimeError(msg)

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def memory(self) -> int:
        """Resident bytes of all processes together."""
        total = 0
        for process in self._processes:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def cpu(self) -> float:
        """Seconds of processor time used so far by all processes together."""
        total = 0.0
        for process in self._processes:
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def stop(self, seconds: float = 15.0) -> None:
        """SIGTERM, then SIGKILL."""
        for process in self._processes:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(seconds)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(seconds)


class System(ABC):
    """A stream processor with a program for the work."""

    name: str
    version: str

    @abstractmethod
    def start(self, task: Task) -> Running:
        """Set to work; the topics exist, what else is needed is made here."""

    @abstractmethod
    def read(self, row: Row) -> Iterable[Result]:
        """What a record of the output says."""

    def unavailable(self) -> str | None:
        """Why it cannot run here; None: it can."""
        return None
