"""A broker behind a proxy that can lose connections as a node does that is gone: without a word."""

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from penstock.local.broker import Broker
from penstock.local.ports import HOST, free_port
from penstock.settings.plant import KafkaSettings

PARTITIONS = 4
START_SECONDS = 120.0


class Proxy:
    """Carries bytes to and from a port, until it swallows them.

    What is swallowed stays open, and nothing is ever answered. So the client sees neither an end
    nor a reset, as when a pod's address is gone.

    Args:
        port: Where clients connect.
        target: The port behind it.
    """

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._age: object | None = object()
        """Connections of another age than this are lost; None: new ones are lost, too."""
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._carry, HOST, port))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def swallow(self) -> None:
        """Lose all connections, and those to come."""
        self._age = None

    def heal(self) -> None:
        """Carry connections to come; what is lost stays lost."""
        self._age = object()

    def close(self) -> None:
        """Drop everything."""

        async def end() -> None:
            self._server.close()
            for writer in self._clients:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)  # for what was closed to be closed

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, age = asyncio.current_task(), self._age
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    if age is not None and age is self._age:
                        sink.write(data)
                        await sink.drain()
            if sink is behind or age is self._age:  # a lost client does not hear of an end either
                sink.close()

        try:
            behind_reader, behind = await asyncio.open_connection(HOST, self._target)
            await asyncio.gather(pump(reader, behind), pump(behind_reader, writer))
        except OSError:
            pass  # the broker is not there
        finally:
            writer.close()
            self._clients.discard(writer)
            self._tasks.discard(task)


@dataclass(frozen=True, slots=True)
class _Broker(Broker):
    """Has a second listener, whose clients are told to come to the proxy."""

    inner: int = 0
    proxy: int = 0

    def _write_settings(self) -> Path:
        path = Broker._write_settings(self)
        plain = f"PLAINTEXT://{self.address}"
        text = path.read_text("utf-8")
        text = text.replace(
            f"listeners={plain}", f"listeners={plain},BEHIND://{HOST}:{self.inner}", 1
        )
        text = text.replace(
            f"advertised.listeners={plain}",
            f"advertised.listeners={plain},BEHIND://{HOST}:{self.proxy}",
        )
        text = text.replace("map=PLAINTEXT:PLAINTEXT", "map=BEHIND:PLAINTEXT,PLAINTEXT:PLAINTEXT")
        path.write_text(text)
        return path


class BlackHole(NamedTuple):
    """A broker at work, with two ways to it."""

    direct: KafkaSettings
    through: KafkaSettings
    proxy: Proxy


@contextmanager
def black_hole(folder: Path) -> Iterator[BlackHole]:
    """Start a broker and its proxy, and stop them."""
    (folder / "tmp").mkdir()
    broker = _Broker(folder, free_port(), inner=free_port(), proxy=free_port())
    with (folder / "log").open("wb") as log:
        command = broker.command(None, "-Dpenstock.test=black-hole")
        environment = os.environ | broker.environment()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    with ExitStack() as ends:
        ends.callback(process.wait)
        ends.callback(process.kill)
        proxy = Proxy(broker.proxy, broker.inner)
        ends.callback(proxy.close)
        deadline = time.monotonic() + START_SECONDS
        while not broker.answers():
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2_000:]
            time.sleep(0.2)
        yield BlackHole(
            KafkaSettings(bootstrap=broker.address, partitions=PARTITIONS, replication=1),
            KafkaSettings(bootstrap=f"{HOST}:{broker.proxy}", partitions=PARTITIONS, replication=1),
            proxy,
        )
