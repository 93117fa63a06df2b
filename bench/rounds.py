"""Runs systems in turn on one input, again and again: ratios are of neighbours in time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.cluster import Cluster
from bench.results import Progress, WrongAnswerError, check
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
    task = make_task(cluster, source.topic)
    begun = time.monotonic()
    running = system.start(task)
    try:
        whole = wait(cluster, running, task.writes, int(source.truth.closed.sum()), limit)
        seconds = time.monotonic() - begun
        cpu, memory = running.cpu(), running.memory()
    finally:
        running.stop()
    progress = check(cluster.read(task.writes), system.read, source.truth, whole=whole)
    cluster.delete(task.name)
    rate = progress.rate(source.warm_up)
    return Run(system.name, rate, seconds, cpu, memory, progress)


def make_task(cluster: Cluster, topic: str) -> Task:
    """A run over a topic, with an output topic of its own."""
    name = cluster.unique("run")
    task = Task(cluster, name, topic, f"ot.{name}-out.v1", cluster.folder / name)
    task.folder.mkdir(parents=True)
    cluster.create(task.writes)
    return task


def wait(cluster: Cluster, running: Running, topic: str, expected: int, limit: float) -> bool:
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
    cluster: Cluster,
    systems: Sequence[System],
    source: Input,
    rounds: int,
    *,
    limit: float = 600.0,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Run]]:
    """The runs of each system that gave the right answers; the order turns round every time."""
    runs: dict[str, list[Run]] = {}
    left = []
    for system in systems:
        if reason := system.unavailable():
            tell(f"{system.name}: left out: {reason}")
        else:
            left.append(system)
    for _ in range(rounds):
        for system in list(left):
            try:
                done = run(cluster, system, source, limit=limit)
            except WrongAnswerError as error:
                tell(f"{system.name}: refused: {error}")
                left.remove(system)
                runs.pop(system.name, None)
            else:
                runs.setdefault(system.name, []).append(done)
                tell(f"{system.name}: {done.rate:,.0f} samples/s, {done.cpu:.1f} s of processor")
        left.reverse()
    return runs
