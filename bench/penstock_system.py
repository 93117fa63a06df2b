"""Penstock: its own stream host and operator, with fenced snapshots and versioned results."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

import penstock
from bench.cluster import PARTITIONS, Row
from bench.penstock_worker import Arguments, Work
from bench.results import Result
from bench.system import Running, System, Task
from penstock.codec.records import decode_record
from penstock.codec.wire import unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from schemas import schema_text

NO_SNAPSHOTS: Final = 86_400.0
"""Seconds between two snapshots that never come."""
_READY_SECONDS: Final = 60.0


class Penstock(System):
    """Workers of the stream host.

    Args:
        workers: Processes.
        work: The operator.
        snapshots: Seconds between two snapshots.
    """

    version = penstock.__version__

    def __init__(self, workers: int = 2, work: Work = "statistics", snapshots: float = 1.0) -> None:
        self._workers, self._work, self._snapshots = workers, work, snapshots
        plural = "s" if workers > 1 else ""
        kept = "" if snapshots < NO_SNAPSHOTS else ", no snapshots"
        self.name = f"Penstock ({workers} worker{plural}{kept})"

    def arguments(self, task: Task, number: int) -> Arguments:
        """Of one worker."""
        return Arguments(
            name=task.name,
            reads=task.reads,
            writes=task.writes,
            bootstrap=task.cluster.kafka.bootstrap,
            registry=task.cluster.registry.url,
            partitions=PARTITIONS,
            folder=str(task.folder),
            number=number,
            work=self._work,
            snapshot_every=self._snapshots,
        )

    def start(self, task: Task) -> Running:
        """Worker processes of one group."""
        processor = self.arguments(task, 0).processor()
        needed = [topics.state(processor.state_topic)]
        needed += [topics.dead_letters(task.reads), topics.late(task.reads)]
        ensure_topics(task.cluster.kafka, needed)
        commands = [
            [sys.executable, "-m", "bench.penstock_worker", json.dumps(asdict(arguments))]
            for arguments in (self.arguments(task, number) for number in range(self._workers))
        ]
        running = Running(commands, task.folder / "log")
        for number in range(self._workers):
            (task.folder / f"{number}.go").touch()
            self._await(running, task.folder / f"{number}.ready")
        return running

    def _await(self, running: Running, file: Path) -> None:
        """One after another: a group that changes while it starts takes longer than the work."""
        deadline = time.monotonic() + _READY_SECONDS
        while not file.exists():
            running.check()
            if time.monotonic() > deadline:
                raise TimeoutError(file)
            time.sleep(0.01)

    def read(self, row: Row) -> Iterable[Result]:
        """WindowStatistics: sum and squares from count, mean and deviation."""
        _, body = unframe(row.value)
        found = decode_record(body, schema_text("WindowStatistics"), "WindowStatistics")
        count = np.array(found["count"], np.int64)
        mean, deviation = np.array(found["mean"]), np.array(found["standard_deviation"])
        yield Result(
            found["asset"],
            found["window_start"],
            tuple(found["tags"]),
            count,
            count * mean,
            count * (deviation * deviation + mean * mean),
            np.array(found["minimum"]),
            np.array(found["maximum"]),
        )
