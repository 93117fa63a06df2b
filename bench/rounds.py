"""Runs systems in turn on one input, again and again: ratios are of neighbours in time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.cluster import Cluster
from bench.results import Progress, check
from bench.system import Running, System, Task
from bench.workload import Truth

POLL_SECONDS: Final = 0.2
STUCK_SECONDS: Final = 60.0


@dataclass
class Run:
    """One system's work on the whole input."""

    system: str
    rate: float
    """Samples per second, after the warm-up, until the last result was in Kafka."""
    seconds: float
    """From the start of its processes to the last result."""
    cpu: float
    """Processor seconds of its processes."""
    memory: int
    """Resident bytes at the end."""
    progress: Progress = field(repr=False)


@dataclass(frozen=True)
class Input:
    """A filled topic."""

    topic: str
    truth: Truth
    warm_up: float
    """Share of the input before the clock starts."""


def run(cluster: Cluster, system: System, source: Input, *, limit: float = 600.0) -> Run:
    """Let a system work through the input once, and hold its results against the truth.

    Args:
        cluster: Where.
        system: Which.
        source: The input.
        limit: Seconds after which it is stopped; then only the results that are there count.

    Raises:
        WrongAnswerError: Its results are not the truth.
    """
    name = cluster.unique("run")
    task = Task(cluster, name, source.topic, f"ot.{name}-out.v1", cluster.folder / name)
    task.folder.mkdir(parents=True)
    cluster.create(task.writes)
    begun = time.monotonic()
    running = system.start(task)
    try:
        whole = _wait(cluster, running, task.writes, int(source.truth.closed.sum()), limit)
        seconds = time.monotonic() - begun
        cpu, memory = running.cpu(), running.memory()
    finally:
        running.stop()
    progress = check(cluster.read(task.writes), system.read, source.truth, whole=whole)
    cluster.delete(name)
    rate = progress.rate(source.warm_up)
    return Run(system.name, rate, seconds, cpu, memory, progress)


def _wait(cluster: Cluster, running: Running, topic: str, expected: int, limit: float) -> bool:
    """Wait until the topic has all results; False if the time is up before."""
    begun = grown = time.monotonic()
    count = 0
    while True:
        running.check()
        before, count = count, sum(cluster.ends(topic).values())
        now = time.monotonic()
        if count >= expected and count == before:
            return True
        grown = now if count > before else grown
        if now - begun > limit:
            return False
        if now - grown > STUCK_SECONDS:
            msg = f"{count} of {expected} results, and none for {STUCK_SECONDS:g} s"
            tail = running.log.read_text("utf-8", "replace")[-3000:]
            raise TimeoutError(msg + "\n" + tail)
        time.sleep(POLL_SECONDS)


def compare(
    cluster: Cluster, systems: Sequence[System], source: Input, rounds: int
) -> dict[str, list[Run]]:
    """The runs of each system; the order turns round every time."""
    runs: dict[str, list[Run]] = {system.name: [] for system in systems}
    for number in range(rounds):
        ordered = list(systems) if number % 2 == 0 else list(reversed(systems))
        for system in ordered:
            runs[system.name].append(run(cluster, system, source))
    return runs
