"""The local stack: a real Kafka and a real registry, with all they keep in one folder.

The folder holds `kafka/` and `registry/` (data and settings), `logs/`, `run/` (pid files) and
`stack.json` (ports, remembered for the next start). Processes outlive the command that started
them; any later command finds them through the folder.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from penstock.errors import StackError
from penstock.local import process
from penstock.local.broker import Broker
from penstock.local.ports import free_port, holder
from penstock.local.registry import Registry
from penstock.local.service import Name, Service
from penstock.settings.plant import KafkaSettings, RegistrySettings

DEFAULT_FOLDER: Final = Path(".penstock")
DEFAULT_PORTS: Final[dict[Name, int]] = {"kafka": 9092, "registry": 8081}
START_ORDER: Final[tuple[Name, ...]] = ("registry", "kafka")
"""The registry starts while Kafka still formats its data folder."""
START_S: Final = 120.0
STOP_S: Final = 20.0
LOCK_S: Final = 180.0
POLL_S: Final = 0.1

State = Literal["up", "starting", "down"]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What one service does now; `memory` is resident bytes, `since` POSIX seconds."""

    name: Name
    state: State
    version: str
    address: str
    port: int
    pid: int | None
    memory: int | None
    since: float | None
    log: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What the stack of a folder does now."""

    folder: str
    services: tuple[ServiceStatus, ...]

    @property
    def up(self) -> bool:
        """Whether all services answer."""
        return all(service.state == "up" for service in self.services)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"up": self.up, **asdict(self)}


class LocalStack:
    """The Kafka and the registry of one folder.

    Args:
        folder: Holds data, logs and pid files; made at the first start.
        kafka_port: None: as before, else 9092. 0: as before, else any free one.
        registry_port: Likewise, else 8081.
        jars: Folder of the jars for machines that cannot download; None: as before.
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        kafka_port: int | None = None,
        registry_port: int | None = None,
        jars: Path | None = None,
    ) -> None:
        self.folder = folder.absolute().resolve()
        self._asked: dict[Name, int | None] = {"kafka": kafka_port, "registry": registry_port}
        self._jars = jars.absolute() if jars else None
        if not set(",;\n").isdisjoint(str(self.folder)):
            msg = "the path holds a comma, a semicolon or a line end; Kafka and H2 split there"
            raise StackError(msg, where=str(self.folder), remedy="choose another folder: --dir")

    def up(self) -> StackStatus:
        """Start what does not run yet, and wait until both answer.

        Raises:
            StackError: A port is taken, a jar is missing, or a service does not start.
        """
        with self._lock():
            self._start(START_ORDER)
        return self.status()

    def start(self, name: Name) -> None:
        """Start one service, as `up` does."""
        with self._lock():
            self._start([name])

    def kill(self, name: Name) -> None:
        """SIGKILL one service, as a power cut would; nothing happens where it does not run."""
        process.kill(process.search(self._mark(name)), STOP_S)

    def down(self) -> list[Name]:
        """Stop both services, whatever state they are in; gives those that ran."""
        if not self.folder.is_dir():  # The folder may have been deleted under running services.
            return self._stop(START_ORDER)
        with self._lock():
            return self._stop(START_ORDER)

    def status(self) -> StackStatus:
        """What runs and answers now."""
        return StackStatus(
            str(self.folder), tuple(self._status(name) for name in reversed(START_ORDER))
        )

    def service(self, name: Name) -> Service:
        """The broker or the registry of this folder."""
        port = self.ports[name]
        if name == "kafka":
            return Broker(self.folder / "kafka", port)
        return Registry(self.folder / "registry", port)

    def log(self, name: Name) -> Path:
        """Where a service's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def kafka_settings(self) -> KafkaSettings:
        """How clients reach the broker."""
        return KafkaSettings(bootstrap=self.service("kafka").address)

    def registry_settings(self) -> RegistrySettings:
        """How clients reach the registry."""
        return RegistrySettings(url=self.service("registry").address)

    def running(self, name: Name) -> psutil.Process | None:
        """The service's process, whether it answers or not."""
        return process.find(self._pidfile(name), self._mark(name))

    @cached_property
    def ports(self) -> dict[Name, int]:
        """The port of each service: asked for, else remembered, else the default."""
        known = self._remembered()
        ports: dict[Name, int] = {}
        for name, asked in self._asked.items():
            before = known.get(name)
            if asked:
                ports[name] = asked
            elif isinstance(before, int):
                ports[name] = before
            else:
                ports[name] = DEFAULT_PORTS[name] if asked is None else free_port()
        return ports

    def _start(self, names: Sequence[Name]) -> None:
        self.__dict__.pop("ports", None)  # Another process may have chosen them meanwhile.
        before = {name: self.running(name) for name in names}
        self._refuse_other_ports([name for name in names if before[name]])
        new = [name for name in names if not before[name]]
        for name in new:
            self._refuse_foreign(name)
        self._remember()
        offsets = {name: self._log_size(name) for name in names}
        try:
            for name in new:
                self._spawn(name)
            for name in names:
                self._await(name, offsets[name])
        except BaseException:  # Also Ctrl-C: half a start leaves nothing behind.
            self._stop(new)
            raise

    def _spawn(self, name: Name) -> None:
        scratch = self.folder / name / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)  # Kills leave unpacked libraries there.
        scratch.mkdir(parents=True)
        (self.folder / name / "data").mkdir(exist_ok=True)
        service = self.service(name)
        command = service.command(self._known_jars(), self._mark(name).removeprefix("-Dpenstock="))
        process.spawn(command, service.environment(), self.log(name), self._pidfile(name))

    def _await(self, name: Name, offset: int) -> None:
        service = self.service(name)
        deadline = time.monotonic() + START_S
        while not service.answers():
            dead = self.running(name) is None
            if dead or time.monotonic() > deadline:
                why = "ended" if dead else f"does not answer after {START_S:.0f} s"
                msg = f"{name} {why}; its log says:\n{process.tell(self.log(name), offset)}\n"
                raise StackError(
                    msg, where=str(self.log(name)), remedy="run `penstock doctor` to find out why"
                )
            time.sleep(POLL_S)

    def _stop(self, names: Iterable[Name]) -> list[Name]:
        found = {name: process.search(self._mark(name)) for name in names}
        process.stop([each for ours in found.values() for each in ours], STOP_S)
        for name in found:
            self._pidfile(name).unlink(missing_ok=True)
        return [name for name, ours in found.items() if ours]

    def _status(self, name: Name) -> ServiceStatus:
        service, running = self.service(name), self.running(name)
        state: State = "down"
        memory = since = None
        with suppress(psutil.Error):
            if running:
                memory, since = running.memory_info().rss, running.create_time()
                state = "up" if service.answers() else "starting"
        pid = running.pid if running and since else None
        log = str(self.log(name))
        return ServiceStatus(
            name, state, service.version, service.address, service.port, pid, memory, since, log
        )

    def _refuse_foreign(self, name: Name) -> None:
        port = self.ports[name]
        if found := holder(port):
            msg = f"port {port}, where {name} should listen, is taken by {found}"
            raise StackError(
                msg, remedy=f"stop it, or choose another port: --{name}-port (0: any free one)"
            )

    def _refuse_other_ports(self, running: Iterable[Name]) -> None:
        known = self._remembered()
        for name in running:
            if known.get(name, self.ports[name]) != self.ports[name]:
                msg = f"{name} runs already, on port {known[name]} and not {self.ports[name]}"
                raise StackError(msg, where=str(self.folder), remedy="`penstock down` first")

    def _mark(self, name: Name) -> str:
        return f"-Dpenstock={self.folder}:{name}"

    def _pidfile(self, name: Name) -> Path:
        return self.folder / "run" / f"{name}.pid"

    def _log_size(self, name: Name) -> int:
        return self.log(name).stat().st_size if self.log(name).exists() else 0

    def _known_jars(self) -> Path | None:
        before = self._remembered().get("jars")
        return self._jars or (Path(before) if before else None)

    def _remembered(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / "stack.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _remember(self) -> None:
        jars = self._known_jars()
        value: dict[str, object] = {"jars": str(jars) if jars else None}
        value.update(self.ports)
        path = self.folder / "stack.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
        draft.replace(path)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One command at a time works in a folder; the lock ends with its holder's life."""
        try:
            for part in ("logs", "run"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "stack.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            msg = f"cannot write there: {error}"
            raise StackError(
                msg, where=str(self.folder), remedy="choose a folder you own: --dir"
            ) from error
        deadline = time.monotonic() + LOCK_S
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        msg = "another penstock command has been at work here for too long"
                        raise StackError(
                            msg, where=str(self.folder), remedy="end it, then try again"
                        ) from None
                    time.sleep(POLL_S)
            yield
        finally:
            os.close(lock)
