"""The demo's processes: stack, PLCs and components; started in order, drained in order."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from penstock.demo.backlog import Backlog, Stage
from penstock.demo.figures import WINDOWS, Figures, Row
from penstock.errors import PenstockError, StackError
from penstock.factory import PLCS, PROCESSES, Factory
from penstock.local.stack import LocalStack
from penstock.processor import chosen
from penstock.runtime.process import Component
from penstock.runtime.supervisor import Supervisor, commands, plan
from penstock.settings.plant import Plant

READY_SECONDS: Final = 90.0
DRAIN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.3
MOST_DEATHS: Final = 3
"""Processes that end before they are ready, until the start is given up."""


class Pipeline:
    """Everything that runs, and how far it is.

    Args:
        stack: Kafka and the registry, already up.
        factory: The simulated factory.
        plant: Its configuration.
        run_dir: Folder of the processes' notes and logs.
    """

    def __init__(self, stack: LocalStack, factory: Factory, plant: Plant, run_dir: Path) -> None:
        self.stack = stack
        self.components = plan(plant.sources, [one.name for one in chosen(plant)], plant.sinks)
        self.figures = Figures(run_dir)
        logs = run_dir / "logs"
        self._supervisor = Supervisor(commands(self.components, factory.plant, run_dir), logs)
        self._backlog = Backlog.of(plant)
        self._restart: threading.Thread | None = None
        """Starts the broker again beside the view, which goes on meanwhile."""
        self._closing = threading.Event()
        self._log = structlog.get_logger()
        self._plcs = Supervisor(
            {
                plc: [sys.executable, "-m", "penstock.factory.plc", str(factory.folder), plc]
                for plc in PROCESSES
            },
            logs,
        )

    def start(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Start sinks, processors and PLCs; when they are ready, the connectors.

        Args:
            stopping: Whether to give up, because a stop was asked for.

        Raises:
            StackError: Something is not ready in time; its log is named.
            KeyboardInterrupt: It was given up.
        """
        self._supervisor.start([str(one) for one in self._of("sink", "processor")])
        self._plcs.start()
        self._await_ready(self._of("sink", "processor"), stopping)
        self._supervisor.start([str(one) for one in self._of("connector")])
        self._await_ready(self._of("connector"), stopping)

    def watch(self) -> None:
        """Start again what died; call it several times a second."""
        self._supervisor.watch()
        self._plcs.watch()
        restarting = self._restart is not None and self._restart.is_alive()
        if not (restarting or self._closing.is_set() or self.stack.running("kafka")):
            self._restart = threading.Thread(target=self._start_broker, daemon=True)
            self._restart.start()

    def rows(self) -> list[Row]:
        """The components' figures."""
        return self.figures.rows(self.components)

    def kill(self, what: str) -> None:
        """SIGKILL Kafka's broker, a PLC, the MQTT broker, or the stream worker."""
        if what == "broker":
            self.stack.kill("kafka")
        elif what in PROCESSES:
            self._plcs.kill(what)
        else:
            self._supervisor.kill(str(WINDOWS))

    def drain(self) -> None:
        """Stop the factory, and each stage once it has passed on all that it got."""
        self._plcs.stop(PLCS)  # Their MQTT broker still has what they published last.
        self.watch()  # A broker that was killed just now is needed once more.
        self._await_restart()
        self._await_quiet()  # What is in a broker or a socket is still to be received.
        self._stop("connector")
        self._plcs.stop()
        self._await_quiet("processor")
        self._stop("processor")
        self._await_quiet("sink")
        self._stop("sink")

    def close(self) -> None:
        """End every process that still runs; the broker is not started again afterwards."""
        self._closing.set()
        self._plcs.stop()
        self._supervisor.stop()
        self._await_restart()

    def break_off(self) -> None:
        """Kill every process that still runs; the broker is not started again afterwards."""
        self._closing.set()
        self._supervisor.break_off()
        self._plcs.break_off()

    def _start_broker(self) -> None:
        if self._closing.is_set():
            return
        try:
            self.stack.start("kafka")
        except PenstockError:  # The next look at it tries again.
            self._log.exception("the broker was not started again")

    def _await_restart(self) -> None:
        if self._restart is not None:
            self._restart.join()

    def _of(self, *roles: str) -> list[Component]:
        return [one for one in self.components if one.role in roles]

    def _stop(self, role: str) -> None:
        self._supervisor.stop([str(one) for one in self._of(role)])

    def _await_ready(self, wanted: Sequence[Component], stopping: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        deaths: list[str] = []
        while late := [row for row in self.figures.rows(wanted) if not row.ready]:
            if stopping():
                raise KeyboardInterrupt
            deaths += self._plcs.watch() + self._supervisor.watch()
            if len(deaths) >= MOST_DEATHS:
                raise self._unready(deaths[-1])
            failed = [row for row in late if row.failed]
            if failed or time.monotonic() > deadline:
                row = (failed or late)[0]
                raise self._unready(str(row.component), row.status)
            time.sleep(POLL_SECONDS)

    def _unready(self, name: str, status: str = "") -> StackError:
        children = self._plcs if name in PROCESSES else self._supervisor
        said = status or children.last_error(name) or "it wrote no log"
        log = str(children.log_file(name))
        return StackError(
            f"{name} does not get ready: {said}", where=log, remedy="the log tells more"
        )

    def _await_quiet(self, stage: Stage | None = None) -> None:
        """Wait until a stage has carried out all it gets, seen several times.

        Args:
            stage: Which; None: the connectors, of which Kafka knows nothing.
        """
        deadline = time.monotonic() + DRAIN_SECONDS
        quiet = 0
        before = -1.0
        while quiet < 3 and time.monotonic() < deadline:  # noqa: PLR2004  # scrapes in a row
            self.watch()
            done = sum(r.samples for r in self.rows() if r.component.role == (stage or "connector"))
            still = done == before and (stage is None or not self._backlog.left(stage))
            quiet = quiet + 1 if still else 0
            before = done
            time.sleep(1.0)
