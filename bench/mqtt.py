"""MQTT messages per second through the connector, beside a bare paho loop: `python -m bench.mqtt`.

A publisher writes ready-made packets to mosquitto; the connector reads them as JSON with a time
each. What counts is CPU time per message, of all of this process's threads: the publisher and the
broker run on the same machine.
"""

import asyncio
import json
import multiprocessing
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors.mqtt import MqttConnector
from penstock.local.ports import free_port
from penstock.settings.tags import Tag

MESSAGES = 40_000
TOPICS = 100
TOPIC = "plant/line1/m{:03d}/force"


def publish(port: int, messages: int = MESSAGES) -> None:
    """Write messages as a client of MQTT 3.1.1, with QoS 0."""
    packets = []
    for number in range(TOPICS):
        topic = TOPIC.format(number).encode()
        payload = json.dumps({"value": number * 1.5, "time": 1_790_000_000_000 + number}).encode()
        body = struct.pack(">H", len(topic)) + topic + payload
        packets.append(b"\x30" + bytes([len(body)]) + body)
    with socket.create_connection(("127.0.0.1", port)) as link:
        hello = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x03pub"
        link.sendall(b"\x10" + bytes([len(hello)]) + hello)
        link.recv(4)
        for _ in range(messages // TOPICS):
            link.sendall(b"".join(packets))
        link.sendall(b"\xe0\x00")


def told(name: str, wall: float, cpu: float) -> None:
    micros = cpu / MESSAGES * 1e6
    sys.stdout.write(
        f"{name:30} {MESSAGES / wall:8,.0f}/s {micros:8.1f} us CPU each: "
        f"{1e6 / micros:8,.0f}/s on a core of its own\n"
    )


async def through_connector(port: int, version: str) -> None:
    mapping = {"value": "value", "time": "time", "time_unit": "ms"}
    settings = MqttConnector.Settings.model_validate(
        {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "version": version, "tags": "t.csv",
         "payload": "json", "mapping": mapping, "keep_alive": "1 min", "clean_start": True}
    )  # fmt: skip
    tags = [
        Tag(asset=f"line1/m{number}", tag="force", address=TOPIC.format(number))
        for number in range(TOPICS)
    ]
    connector = MqttConnector("bench", settings, tags)
    await connector.start()
    publisher = multiprocessing.Process(target=publish, args=(port,))
    publisher.start()
    samples = len((await connector.read()).samples)
    wall, cpu = time.perf_counter(), time.process_time()
    while samples < MESSAGES:
        samples += len((await connector.read()).samples)
    told(f"connector, MQTT {version}", time.perf_counter() - wall, time.process_time() - cpu)
    publisher.join()
    await connector.stop()


def bare(port: int) -> None:
    count = 0
    done, ready = threading.Event(), threading.Event()

    def take(*_: object) -> None:
        nonlocal count
        count += 1
        if count == MESSAGES:
            done.set()

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = take
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("plant/#")
    ready.wait()
    publisher = multiprocessing.Process(target=publish, args=(port,))
    publisher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    done.wait()
    told("paho's own loop, MQTT 3.1.1", time.perf_counter() - wall, time.process_time() - cpu)
    publisher.join()
    client.disconnect()
    client.loop_stop()


@contextmanager
def broker() -> Iterator[int]:
    """A mosquitto that queues without end; gives its port."""
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        lines = ["allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0"]
        config.write_text(
            "\n".join([f"listener {port} 127.0.0.1", *lines, "log_type error"]) + "\n"
        )
        with subprocess.Popen([mosquitto, "-c", str(config)]) as process:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.05)
            yield port
            process.terminate()


def main() -> None:
    with broker() as port:
        bare(port)
        for version in ("3.1.1", "5"):
            asyncio.run(through_connector(port, version))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
