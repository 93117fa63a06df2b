"""What every process of Penstock has: logs, a status over HTTP, and a note of where it listens."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from penstock import logs
from penstock.health import HealthServer, Status
from penstock.runtime.run_folder import writable
from penstock.whole_file import write_whole

Role = Literal["connector", "processor", "sink"]
SUPERVISED: Final = "PENSTOCK_SUPERVISED"
"""Environment variable: standard input is a pipe that ends when who started us does."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the pipeline.

    `instance` tells apart several workers of one processor or sink.
    """

    role: Role
    name: str
    instance: int = 0

    def __str__(self) -> str:
        suffix = f".{self.instance}" if self.instance else ""
        return f"{self.role}-{self.name}{suffix}"


@contextmanager
def process(
    component: Component, run_dir: Path, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Status]:
    """Set up this process as a component; while it lives, `<run_dir>/<component>.json` names it.

    Args:
        component: What this process is.
        run_dir: Folder of the notes.
        host: Where /healthz, /readyz, /status and /metrics are served.
        port: 0 for a free one.

    Raises:
        ConfigurationError: The folder cannot be written in.
    """
    logs.configure(str(component))
    end_with_supervisor()
    status = Status()
    status.note(component=str(component), pid=os.getpid())
    server = HealthServer(status, host, port)
    note = run_dir / f"{component}.json"
    try:
        with writable(run_dir, "--run-dir"):
            run_dir.mkdir(parents=True, exist_ok=True)
            write_whole(note, json.dumps({"pid": os.getpid(), "port": server.port}))
        yield status
    finally:
        server.close()
        if _pid(note) == os.getpid():  # Whoever took our place while we stopped keeps its own.
            note.unlink(missing_ok=True)


def _pid(note: Path) -> int | None:
    """Whose note this is; None where it cannot be told."""
    try:
        return int(json.loads(note.read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def on_stop_signal(stop: Callable[[], None], break_off: Callable[[], None] = lambda: None) -> None:
    """Call `stop` once, at the first SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        stop: Begins an end in good order.
        break_off: Ends what was started, before the second signal ends this process.
    """
    asked: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if asked:
            for each in (signal.SIGTERM, signal.SIGINT):  # A third one must not cut this short.
                signal.signal(each, signal.SIG_IGN)
            try:
                break_off()
            finally:
                os._exit(128 + number)
        asked.append(number)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def end_with_supervisor() -> None:
    """Have SIGTERM sent to this process when who supervises it has ended, however that was."""
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_stop_with_supervisor, name="supervisor", daemon=True).start()


def _stop_with_supervisor() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
