"""The factory's Sparkplug edge node, read by a bare client, agrees with the ground truth."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from connectors.mqtt.rebirths import rebirth_request
from penstock.factory import BROKER, Factory, Truth, read_truth, write_factory
from penstock.factory.layout import GROUP, NODE, SITE
from penstock.local.ports import free_port
from penstock.sparkplug import Payload, next_number, parse_topic, state_topic

DEADLINE = 60.0
HOST = "penstock-packing_cell"
WITHOUT_MOSQUITTO = "import penstock.factory.broker as b, penstock.factory.plc as p, pathlib, sys; "
WITHOUT_MOSQUITTO += "b._PLACES = ''; p.run_plc(pathlib.Path(sys.argv[1]), 'mqtt_broker')"

Samples = dict[tuple[str, str], dict[int, Any]]


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return write_factory(tmp_path, seed=3, mqtt_port=free_port())


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(factory: Factory) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def _start(*command: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, *command, str(factory.folder)]))
        return started[-1]

    yield _start
    for process in started:
        process.kill()
        process.wait()


def part(name: str) -> tuple[str, ...]:
    """The command of a part of the factory, which takes the folder before its name."""
    start = "import penstock.factory.plc as p, pathlib, sys; "
    return "-c", f"{start}p.run_plc(pathlib.Path(sys.argv[1]), {name!r})"


class Host:
    """A host application that believes births and decodes by alias."""

    def __init__(self, factory: Factory) -> None:
        self.samples: Samples = defaultdict(dict)
        self.verbs: list[str] = []
        self.gaps = 0
        self._expected = 0
        self._names: dict[int, str] = {}
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._take
        wait(lambda: listens(factory.mqtt_port), "the broker listens")
        self.client.connect("127.0.0.1", factory.mqtt_port)
        self.client.subscribe(f"spBv1.0/{GROUP}/#", 1)
        self.client.loop_start()

    def say(self, *, online: bool) -> None:
        state = {"online": online, "timestamp": time.time_ns() // 1_000_000}
        self.client.publish(state_topic(HOST), json.dumps(state), 1, True).wait_for_publish(5)

    def silent(self) -> bool:
        """Whether nothing comes for five cycles."""
        before = len(self.verbs)
        time.sleep(0.5)
        return len(self.verbs) == before

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _take(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        topic = parse_topic(message.topic)
        assert topic is not None
        payload = Payload.FromString(bytes(message.payload))
        if topic.verb == "NBIRTH":
            self._expected = 0
        if payload.HasField("seq"):
            self.gaps += payload.seq != self._expected
            self._expected = next_number(payload.seq)
        for metric in payload.metrics if topic.device else ():
            if metric.name:
                self._names[metric.alias] = metric.name
            value = getattr(metric, str(metric.WhichOneof("value")))
            asset = f"{SITE}/packing/line3/{topic.device}"
            self.samples[asset, self._names[metric.alias]][metric.timestamp * 1_000] = value
        self.verbs.append(topic.verb)


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def agree(received: Samples, truth: Truth) -> None:
    """All that arrived is true; all that went out arrived, but for what the truth is unsure of."""
    for (asset, tag), series in truth.series.items():
        sent = dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
        came = received[asset, tag]
        assert came.items() <= sent.items()
        missing = sent.keys() - came.keys()
        assert all((asset, moment) in truth.uncertain for moment in missing)


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_all_that_it_publishes_is_true(factory: Factory, start: Start, broker: str) -> None:
    """Born when the host is online, born again when asked, silent while the host is away."""
    if broker == "mosquitto" and not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"):
        pytest.skip("mosquitto is not installed (Debian: apt install mosquitto)")
    start(*(part(BROKER) if broker == "mosquitto" else ("-c", WITHOUT_MOSQUITTO)))
    host = Host(factory)
    plc = start(*part("packing_cell"))
    host.say(online=True)
    wait(lambda: host.verbs.count("DDATA") > 20, "it reports")
    request = rebirth_request(GROUP, NODE, 1)
    host.client.publish(request.topic, request.payload)
    wait(lambda: host.verbs.count("NBIRTH") == 2, "it is born again")
    host.say(online=False)
    wait(host.silent, "it falls silent")
    host.say(online=True)
    wait(lambda: host.verbs.count("NBIRTH") == 3, "it is born once more")
    plc.send_signal(signal.SIGTERM)
    assert plc.wait(10) == 0
    wait(lambda: host.verbs[-1] == "NDEATH", "it says goodbye")
    assert host.gaps == 0
    assert host.verbs[:4] == ["NBIRTH", "DBIRTH", "DBIRTH", "DBIRTH"]
    host.close()
    agree(host.samples, read_truth(factory.folder))


def test_a_killed_edge_node_is_dead_by_its_will_and_goes_on(factory: Factory, start: Start) -> None:
    start(*part(BROKER))
    host = Host(factory)
    host.say(online=True)
    plc = start(*part("packing_cell"))
    wait(lambda: host.verbs.count("DDATA") > 5, "it reports")
    plc.kill()
    wait(lambda: "NDEATH" in host.verbs, "the broker publishes its will")
    start(*part("packing_cell"))
    wait(lambda: host.verbs.count("NBIRTH") == 2, "it is born again")
    host.close()
