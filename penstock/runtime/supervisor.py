"""Runs commands as child processes and starts again those that end unasked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from penstock.logs import rotate
from penstock.runtime.backoff import Backoff
from penstock.runtime.process import SUPERVISED, Component

STOP_SECONDS: Final = 20.0
STEADY_SECONDS: Final = 10.0
"""A child that lived this long is not in a crash loop."""
TAIL: Final = 65536
"""Bytes at a log's end in which its last error is looked for."""
REFUSED: Final = 2
"""Exit code of a configuration error: starting again would not help."""


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    log_begin: int = 0
    """Size of its log when it was started last."""
    given_up: bool = False
    stopped: bool = False
    signalled: str = ""
    """What signal ended it last, until it is started again."""
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.2, most=10.0))

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Children by name, each in a session of its own, with a log file of its own.

    Call `watch` several times a second; nothing happens in between. A child's standard input is a
    pipe that ends with the supervisor, however that ends: `penstock.runtime.process` stops then.

    Args:
        commands: What to run, in order of start.
        logs: Folder of the log files, `<name>.log`.
        stop_seconds: How long a child may take to stop before it is killed.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Path,
        *,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._logs = logs
        self._stop_seconds = stop_seconds
        self._log = structlog.get_logger()
        self._children = {name: _Child(name, command) for name, command in commands.items()}

    def start(self, names: Iterable[str] | None = None) -> None:
        """Start the named ones, or all."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in self._children if names is None else names:
            child = self._children[name]
            child.given_up = child.stopped = False
            self._spawn(child)

    def watch(self) -> list[str]:
        """Start again what ended unasked; gives what was found dead just now."""
        found = []
        for child in self._children.values():
            if child.process is None:
                waits = child.started and not (child.given_up or child.stopped)
                if waits and time.monotonic() >= child.due:
                    self._spawn(child)
            elif (code := child.process.poll()) is not None:
                found.append(child.name)
                self._ended(child, code)
        return found

    def alive(self, name: str) -> bool:
        """Whether a child's process runs."""
        return self._children[name].alive

    def given_up(self) -> list[str]:
        """What refused its configuration, and is not started again."""
        return [child.name for child in self._children.values() if child.given_up]

    def log_file(self, name: str) -> Path:
        """Where a child's log is."""
        return self._logs / f"{name}.log"

    def last_error(self, name: str) -> str:
        """Why a child ended: the signal, or what its log says last of an error; "" for nothing."""
        if signalled := self._children[name].signalled:
            return f"ended by {signalled}"
        try:
            with self.log_file(name).open("rb") as log:
                log.seek(max(self._children[name].log_begin, log.seek(0, os.SEEK_END) - TAIL))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        found = [line for line in lines if line.strip()]
        # After the error of a command that was refused comes a line with the remedy.
        told = [line for line in found if line.startswith("error ")] or map(_words, found)
        return next(filter(None, reversed(list(told))), "")[:300]

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would; `watch` starts it again."""
        process = self._children[name].process
        if process is not None:
            process.kill()

    def break_off(self) -> None:
        """SIGKILL all children, with all that they started, and start none again."""
        for child in self._children.values():
            child.stopped = True
            if child.process is not None and child.alive:
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)

    def stop(self, names: Iterable[str] | None = None) -> None:
        """SIGTERM to the named ones, or all; wait, and SIGKILL what does not end."""
        chosen = [self._children[name] for name in (self._children if names is None else names)]
        for child in chosen:
            child.stopped = True
            if child.process is not None and child.alive:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_seconds
        for child in chosen:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._log.error("killed: did not stop in time", child=child.name)
                child.process.kill()
                child.process.wait()
            self._release(child)

    def _spawn(self, child: _Child) -> None:
        rotate(self.log_file(child.name))
        with self.log_file(child.name).open("ab") as log:
            child.log_begin = log.tell()
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {SUPERVISED: "1"},
                start_new_session=True,
            )
        child.started, child.signalled = time.monotonic(), ""

    def _release(self, child: _Child) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None

    def _ended(self, child: _Child, code: int) -> None:
        self._release(child)
        lived = time.monotonic() - child.started
        if lived > STEADY_SECONDS:
            child.backoff.reset()
        child.given_up = code == REFUSED
        child.signalled = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else ""
        child.due = time.monotonic() + child.backoff.next()
        self._log.warning(
            "process ended",
            child=child.name,
            code=code,
            lived=round(lived, 1),
            again=not child.given_up,
            error=self.last_error(child.name),
            log=str(self.log_file(child.name)),
        )


def _words(line: str) -> str:
    """What a line of a log tells a person of an error; "" for nothing.

    >>> _words('{"event": "not sent", "error": "no broker"}'), _words("Killed")
    ('no broker', 'Killed')
    >>> _words('{"event": "restored", "level": "info"}')
    ''
    """
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict):
        return line
    if event.get("level") in ("debug", "info"):
        return ""
    return str(event.get("error") or event.get("event") or line)


def plan(
    sources: Iterable[str],
    processors: Iterable[str],
    sinks: Iterable[str],
    *,
    only: Iterable[str] = ("connectors", "streams", "sinks"),
    workers: int = 1,
) -> list[Component]:
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
        found += [Component("connector", name) for name in sources]
    return found


def commands(components: Iterable[Component], config: Path, run_dir: Path) -> dict[str, list[str]]:
    """What runs each component as a process of its own."""
    return {
        str(one): [
            sys.executable, "-m", "penstock", "work", one.role, one.name,
            "--instance", str(one.instance), "--config", str(config), "--run-dir", str(run_dir),
        ]
        for one in components
    }  # fmt: skip
