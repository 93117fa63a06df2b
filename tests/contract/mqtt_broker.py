"""A real MQTT broker: mosquitto as a process, or amqtt on this event loop where it is missing."""

import asyncio
import contextlib
import getpass
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from penstock.local.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
WITHOUT_MOSQUITTO = "mosquitto is not installed (Debian: apt install mosquitto)"


class Broker:
    """One broker on two ports of loopback.

    Args:
        folder: For its configuration and log.
        lines: More lines of mosquitto's configuration.
        port: Where it listens.
    """

    def __init__(self, folder: Path, *lines: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.side = free_port()
        """Another port, for clients of the test's own."""
        self._folder = folder
        self._lines = lines or ("allow_anonymous true",)
        self._process: subprocess.Popen[bytes] | None = None
        self._amqtt: Any = None

    @property
    def log(self) -> str:
        """What mosquitto said."""
        return (self._folder / "broker.log").read_text(errors="replace")

    async def start(self) -> None:
        """Start, and wait until it listens."""
        if MOSQUITTO is None:
            from amqtt.broker import Broker as Amqtt  # noqa: PLC0415  # only where it is needed

            listeners = {
                name: {"type": "tcp", "bind": f"127.0.0.1:{port}"}
                for name, port in (("default", self.port), ("side", self.side))
            }
            self._amqtt = Amqtt({"listeners": listeners})
            await self._amqtt.start()
            return
        config = self._folder / f"mosquitto-{self.port}.conf"
        lines = [
            "persistence false",
            f"user {getpass.getuser()}",
            f"listener {self.side} 127.0.0.1",
            f"listener {self.port} 127.0.0.1",
            *self._lines,
        ]
        config.write_text("\n".join(lines) + "\n")
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-v", "-c", str(config)], stdout=log, stderr=log
            )
        while not self._listens():
            assert self._process.poll() is None, self.log
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it at once."""
        if self._amqtt is not None:
            broker, self._amqtt = self._amqtt, None
            with contextlib.suppress(Exception):
                await broker.shutdown()
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            await asyncio.to_thread(process.wait)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Peer:
    """Another client of the broker: publishes as a device does, and sees all that is published."""

    def __init__(self, port: int, *, client_id: str = "", **connecting: Any) -> None:
        self.received: list[paho.MQTTMessage] = []
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = lambda _, __, message: self.received.append(message)
        self._port = port
        self._connecting = connecting

    @property
    def client(self) -> paho.Client:
        """paho's, for what is not wrapped here."""
        return self._client

    async def connect(self, *filters: str) -> "Peer":
        """Connect and subscribe."""
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        signal: Any = lambda *_: loop.call_soon_threadsafe(ready.set)  # noqa: E731
        self._client.on_connect = self._client.on_subscribe = signal
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port, **self._connecting)
        self._client.loop_start()
        await asyncio.wait_for(ready.wait(), 5)
        if filters:
            ready.clear()
            self._client.subscribe([(name, 1) for name in filters])
            await asyncio.wait_for(ready.wait(), 5)
        return self

    async def publish(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish, and wait until the broker has it."""
        info = self._client.publish(topic, payload, qos, retain)
        await asyncio.to_thread(info.wait_for_publish, 5)

    def topics(self) -> list[str]:
        """Topics of all that was received."""
        return [message.topic for message in self.received]

    async def close(self, *, vanish: bool = False) -> None:
        """Hang up; `vanish` without a word, so that the broker publishes the will."""
        if vanish:
            self._client.socket().close()  # type: ignore[union-attr]  # it is connected
        else:
            self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)


def settings(port: int, **changes: Any) -> Mapping[str, Any]:
    """Settings of a source for a quick local broker."""
    return {
        "type": "mqtt",
        "url": f"mqtt://127.0.0.1:{port}",
        "tags": "tags.csv",
        "payload": "json",
        "timeout": "2 s",
        "keep_alive": "1 s",
    } | changes
