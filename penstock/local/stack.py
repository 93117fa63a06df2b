"""The local stack: a real Kafka and a real registry, with all they keep in one folder.

The folder holds `kafka/` and `registry/` (data and settings), `logs/`, `run/` (pid files) and
`stack.json` (ports, remembered for the next start). Processes outlive the command that started
them; any later command finds them through the folder.
"""

import shlex
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from penstock.errors import StackError
from penstock.local import process
from penstock.local.broker import Broker
from penstock.local.folder import StackFolder
from penstock.local.ports import Holder, free_port, holder, is_free
from penstock.local.registry import Registry
from penstock.local.service import Name, Service
from penstock.settings.plant import KafkaSettings, RegistrySettings

DEFAULT_FOLDER: Final = Path(".penstock")
DEFAULT_PORTS: Final[dict[Name, int]] = {"kafka": 9092, "registry": 8081}
START_ORDER: Final[tuple[Name, ...]] = ("registry", "kafka")
"""The registry starts while Kafka still formats its data folder."""
START_S: Final = 120.0
STOP_S: Final = 20.0
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
        kafka_port: None: as before, else 9092. 0: as before where that is free or ours, else any
            free one.
        registry_port: Likewise, else 8081.
        jars: Folder of the jars for machines that cannot download; None: as before.

    Raises:
        StackError: The folder's path cannot be used.
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        kafka_port: int | None = None,
        registry_port: int | None = None,
        jars: Path | None = None,
    ) -> None:
        self.folder = StackFolder(folder)
        self._asked: dict[Name, int | None] = {"kafka": kafka_port, "registry": registry_port}
        self._chosen: dict[Name, int] = {}
        self._jars = jars.absolute() if jars else None

    def up(self) -> StackStatus:
        """Start what does not run yet, and wait until both answer.

        Raises:
            StackError: A port is taken, a jar is missing, or a service does not start.
        """
        with self.folder.lock():
            self._start(START_ORDER)
        return self.status()

    def start(self, name: Name) -> None:
        """Start one service, as `up` does."""
        with self.folder.lock():
            self._start([name])

    def kill(self, name: Name) -> None:
        """SIGKILL one service, as a power cut would; nothing happens where it does not run."""
        process.kill(process.search(self._mark(name)), STOP_S)

    def down(self) -> list[Name]:
        """Stop both services, whatever state they are in; gives those that ran."""
        if not self.folder.path.is_dir():  # It may have been deleted under running services.
            return self._stop(START_ORDER)
        with self.folder.lock():
            return self._stop(START_ORDER)

    def status(self) -> StackStatus:
        """What runs and answers now."""
        names = reversed(START_ORDER)
        return StackStatus(str(self.folder.path), tuple(self._status(name) for name in names))

    def service(self, name: Name) -> Service:
        """The broker or the registry of this folder."""
        kind = Broker if name == "kafka" else Registry
        return kind(self.folder.path / name, self.port(name))

    def port(self, name: Name) -> int:
        """A service's port: asked for, else remembered, else the default or any free one.

        Where any free one was asked for, a remembered one that others took meanwhile is given up.
        """
        if asked := self._asked[name]:
            return asked
        before = self.folder.remembered().get(name)
        if asked is None:
            return before if isinstance(before, int) else DEFAULT_PORTS[name]
        if isinstance(before, int) and (self.running(name) or is_free(before)):
            return before
        return self._chosen.setdefault(name, free_port())

    def taken(self) -> dict[Name, Holder]:
        """Who holds the ports of services that do not run."""
        found = {name: holder(self.port(name)) for name in DEFAULT_PORTS if not self.running(name)}
        return {name: other for name, other in found.items() if other}

    def elsewhere(self, command: str, names: Iterable[Name]) -> str:
        """A command that starts this stack with other ports for some services."""
        default = self.folder.path == DEFAULT_FOLDER.absolute().resolve()
        place = [] if default else ["--dir", str(self.folder.path)]
        ports = [part for name in names for part in (f"--{name}-port", "0")]
        return shlex.join(["penstock", command, *place, *ports])

    @property
    def jars(self) -> Path | None:
        """The folder of the jars, where they are not to be downloaded."""
        before = self.folder.remembered().get("jars")
        return self._jars or (Path(before) if before else None)

    def kafka_settings(self) -> KafkaSettings:
        """How clients reach the broker."""
        return KafkaSettings(bootstrap=self.service("kafka").address)

    def registry_settings(self) -> RegistrySettings:
        """How clients reach the registry."""
        return RegistrySettings(url=self.service("registry").address)

    def running(self, name: Name) -> psutil.Process | None:
        """The service's process, whether it answers or not."""
        return process.find(self.folder.pidfile(name), self._mark(name))

    def _start(self, names: Sequence[Name]) -> None:
        running = [name for name in START_ORDER if self.running(name)]
        new = [name for name in names if name not in running]
        for name in running:
            self._refuse_move(name)
        self._refuse_foreign(new)
        ports: dict[str, object] = {name: self.port(name) for name in START_ORDER}
        self.folder.remember({**ports, "jars": str(self.jars) if self.jars else None})
        offsets = {name: process.size(self.folder.log(name)) for name in names}
        try:
            for name in new:
                self._spawn(name)
            for name in names:
                self._await(name, offsets[name])
        except BaseException:  # Also Ctrl-C: half a start leaves nothing behind.
            self._stop(new)
            raise

    def _spawn(self, name: Name) -> None:
        service, folder = self.service(name), self.folder.path / name
        shutil.rmtree(folder / "tmp", ignore_errors=True)  # Kills leave libraries there.
        for part in ("tmp", "data"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        command = service.command(self.jars, self._mark(name))
        log, pidfile = self.folder.log(name), self.folder.pidfile(name)
        process.spawn(command, service.environment(), log, pidfile)

    def _await(self, name: Name, offset: int) -> None:
        service, log = self.service(name), self.folder.log(name)
        deadline = time.monotonic() + START_S
        while not service.answers():
            ended = self.running(name) is None
            if ended or time.monotonic() > deadline:
                why = "ended" if ended else f"does not answer after {START_S:.0f} s"
                msg = f"{name} {why}; its log says:\n{process.tell(log, offset)}\n"
                raise StackError(msg, where=str(log), remedy="`penstock doctor` looks for causes")
            time.sleep(POLL_S)

    def _stop(self, names: Iterable[Name]) -> list[Name]:
        found = {name: process.search(self._mark(name)) for name in names}
        process.stop([each for ours in found.values() for each in ours], STOP_S)
        for name in found:
            self.folder.pidfile(name).unlink(missing_ok=True)
        return [name for name, ours in found.items() if ours]

    def _status(self, name: Name) -> ServiceStatus:
        service, running = self.service(name), self.running(name)
        state: State = "down"
        pid = memory = since = None
        with suppress(psutil.NoSuchProcess):
            if running:
                memory, since = running.memory_info().rss, running.create_time()
                pid = running.pid
                state = "up" if service.answers() else "starting"
        return ServiceStatus(
            name=name,
            state=state,
            version=service.version,
            address=service.address,
            port=service.port,
            pid=pid,
            memory=memory,
            since=since,
            log=str(self.folder.log(name)),
        )

    def _refuse_foreign(self, names: Sequence[Name]) -> None:
        taken = {name: other for name, other in self.taken().items() if name in names}
        if not taken:
            return
        msg = "; ".join(
            f"port {self.port(name)}, where {name} should listen, is {other}"
            for name, other in taken.items()
        )
        up, demo = self.elsewhere("up", taken), self.elsewhere("demo", taken)
        raise StackError(msg, remedy=f"stop it, or take any free port: `{up}`, or `{demo}`")

    def _refuse_move(self, name: Name) -> None:
        before, port = self.folder.remembered().get(name), self.port(name)
        if before not in (None, port):
            msg = f"{name} runs already, on port {before} and not {port}"
            raise StackError(msg, where=str(self.folder.path), remedy="`penstock down` first")

    def _mark(self, name: Name) -> str:
        return f"-Dpenstock={self.folder.path}:{name}"
