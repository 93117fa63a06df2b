"""Quix Streams in two processes, and plain Faust in one: its counts do not survive a rebalance."""

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from bench.cluster import PARTITIONS, Row
from bench.results import Result
from bench.system import Running, System, Task
from penstock.local.artifacts import cache_folder
from schemas import schema_text

QUIX: Final = "3.28.1"
REQUIREMENTS: Final = (f"quixstreams=={QUIX}", "fastavro")


class PythonPeer(System):
    """A module beside this one, run by a Python of its own choice."""

    module: str
    processes = 2

    def start(self, task: Task) -> Running:
        """Processes of one group."""
        commands = []
        for number in range(self.processes):
            folder = task.folder / f"state-{number}"
            folder.mkdir()
            arguments = {
                "bootstrap": task.cluster.kafka.bootstrap,
                "name": task.name,
                "reads": task.reads,
                "writes": task.writes,
                "schema": schema_text("SensorEvent"),
                "folder": str(folder),
                "partitions": PARTITIONS,
            }
            commands.append([self.python(), "-m", self.module, json.dumps(arguments)])
        root = str(Path(__file__).parents[1])
        return Running(commands, task.folder / "log", {"PYTHONPATH": root})

    def python(self) -> str:
        """The interpreter."""
        return sys.executable

    def read(self, row: Row) -> Iterable[Result]:
        """JSON."""
        found = json.loads(row.value)
        columns = np.array(list(found["cells"].values())).T
        yield Result(
            found["asset"],
            found["start"],
            tuple(found["cells"]),
            columns[0].astype(np.int64),
            *columns[1:],
        )


class Faust(PythonPeer):
    """Faust as its documentation shows it: one event per message, a table."""

    name = "plain Faust (1 process)"
    processes = 1
    module = "bench.faust_worker"
    version = version("faust-streaming")


class Quix(PythonPeer):
    """Quix Streams, in an environment of its own."""

    name = "Quix Streams"
    module = "bench.quix_worker"
    version = QUIX

    def python(self) -> str:
        """Of the environment."""
        return str(_environment() / "bin" / "python")

    def unavailable(self) -> str | None:
        """Install it, once."""
        if (_environment() / "installed").exists():
            return None
        commands = (
            [sys.executable, "-m", "venv", str(_environment())],
            [self.python(), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
        )
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"it cannot be installed: {done.stderr.strip()[-300:]}"
        (_environment() / "installed").touch()
        return None


def _environment() -> Path:
    return cache_folder() / "bench" / f"quix-{QUIX}"
