"""Runs components as child processes and starts again those that end unasked."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from penstock.runtime.backoff import Backoff
from penstock.runtime.process import Component

STOP_SECONDS: Final = 20.0
STEADY_SECONDS: Final = 10.0
"""A child that lived this long is not in a crash loop."""
REFUSED: Final = 2
"""Exit code of a configuration error: starting again would not help."""


@dataclass(slots=True)
class _Child:
    component: Component
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    starts: int = 0
    due: float = 0.0
    given_up: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.2, most=10.0))


class Supervisor:
    """The components of one configuration, each in a process of its own.

    Call `watch` several times a second; nothing happens in between.

    Args:
        config: The plant's configuration file.
        components: What to run.
        run_dir: Folder for the processes' notes, logs (`logs/<component>.log`) and data.
    """

    def __init__(self, config: Path, components: Iterable[Component], run_dir: Path) -> None:
        self._config = config
        self._run_dir = run_dir
        self._log = structlog.get_logger()
        self._children = {component: _Child(component) for component in components}

    @property
    def components(self) -> Sequence[Component]:
        """What is run, in order of start."""
        return list(self._children)

    def start(self) -> None:
        """Start all."""
        (self._run_dir / "logs").mkdir(parents=True, exist_ok=True)
        for child in self._children.values():
            self._spawn(child)

    def watch(self) -> list[Component]:
        """Start again what ended; gives what was found dead just now."""
        found = []
        for child in self._children.values():
            if child.process is None:
                if not child.given_up and time.monotonic() >= child.due:
                    self._spawn(child)
            elif (code := child.process.poll()) is not None:
                found.append(child.component)
                self._ended(child, code)
        return found

    def alive(self, component: Component) -> bool:
        """Whether a component's process runs."""
        process = self._children[component].process
        return process is not None and process.poll() is None

    def given_up(self) -> list[Component]:
        """What refused its configuration, and is not started again."""
        return [child.component for child in self._children.values() if child.given_up]

    def log_file(self, component: Component) -> Path:
        """Where a component's log is."""
        return self._run_dir / "logs" / f"{component}.log"

    def kill(self, component: Component) -> None:
        """SIGKILL, as a crash would; `watch` starts it again."""
        process = self._children[component].process
        if process is not None:
            process.kill()

    def stop(self, components: Iterable[Component] | None = None) -> None:
        """SIGTERM, wait, and SIGKILL what does not end; all of them unless some are named."""
        chosen = [self._children[one] for one in (components or list(self._children))]
        for child in chosen:
            child.given_up = True
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in chosen:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._log.error("killed: did not stop in time", component=str(child.component))
                child.process.kill()
                child.process.wait()
            child.process = None

    def _spawn(self, child: _Child) -> None:
        component = child.component
        command = [sys.executable, "-m", "penstock", "work", component.role, component.name]
        command += ["--config", str(self._config), "--run-dir", str(self._run_dir)]
        command += ["--instance", str(component.instance)]
        with self.log_file(component).open("ab") as log:
            child.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        child.started = time.monotonic()
        child.starts += 1

    def _ended(self, child: _Child, code: int) -> None:
        child.process = None
        lived = time.monotonic() - child.started
        if lived > STEADY_SECONDS:
            child.backoff.reset()
        child.given_up = code == REFUSED
        child.due = time.monotonic() + child.backoff.next()
        self._log.warning(
            "component ended",
            component=str(child.component), code=code, lived=round(lived, 1),
            again=not child.given_up,
        )  # fmt: skip


def plan(plant_sources: Iterable[str], processors: Iterable[str], sinks: Iterable[str],
         *, only: Iterable[str] = ("connectors", "streams", "sinks"), workers: int = 1,
         ) -> list[Component]:  # fmt: skip
    """The components of a configuration: one process per source, worker and sink.

    >>> [str(c) for c in plan(["plc"], ["window-statistics"], ["lake"], workers=2)]
    ['sink-lake', 'processor-window-statistics', 'processor-window-statistics.1', 'connector-plc']
    """
    chosen = set(only)
    found: list[Component] = []
    if "sinks" in chosen:
        found += [Component("sink", name) for name in sinks]
    if "streams" in chosen:
        found += [Component("processor", name, n) for name in processors for n in range(workers)]
    if "connectors" in chosen:
        found += [Component("connector", name) for name in plant_sources]
    return found
