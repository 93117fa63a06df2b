"""How long a worker takes to be back at work with a large state."""

import json
import time
from dataclasses import dataclass

from bench.cluster import Cluster
from bench.penstock_system import Penstock
from bench.rounds import Input, make_task, wait


@dataclass(frozen=True)
class Restore:
    """What was restored, and how fast."""

    tags: int
    state_mb: float
    """Keys and values of the newest rows."""
    log_mb: float
    """Of all rows that the topic still held."""
    seconds: float

    @property
    def rate(self) -> float:
        """MB of newest rows per second."""
        return self.state_mb / self.seconds


def measure(cluster: Cluster, source: Input) -> Restore:
    """Make state, stop, and start one worker on it."""
    task, system = make_task(cluster, source.topic), Penstock(workers=1)
    expected = int(source.truth.closed.sum())
    running = system.start(task)
    try:
        wait(cluster, running, task.writes, expected, 600.0)
        time.sleep(2.0)  # for the last snapshot
    finally:
        running.stop(60.0)
    newest, total = {}, 0
    state = system.arguments(task, 0).processor().state_topic
    for row in cluster.read(state, committed=True):
        newest[row.partition, row.key] = len(row.key) + len(row.value) if row.value else 0
        total += len(row.key) + len(row.value)
    for file in task.folder.glob("0.*"):
        file.unlink()
    running = system.start(task)
    running.stop(60.0)
    seconds = [
        json.loads(line)["seconds"]
        for line in (task.folder / "log").read_text("utf-8").splitlines()
        if '"event": "restored"' in line
    ]
    cluster.delete(task.name)
    load = source.truth.workload
    return Restore(load.assets * load.tags, sum(newest.values()) / 1e6, total / 1e6, seconds[-1])
