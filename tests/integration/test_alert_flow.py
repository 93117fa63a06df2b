"""From scores to alerts, a person's word, a maintenance request and the page; on a real Kafka."""

import itertools
import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Producer

from penstock.alerts.reading import read_alerts
from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.factory import write_factory
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import (
    ACKNOWLEDGEMENTS,
    ALERTS,
    ANOMALIES,
    FEATURES,
    MAINTENANCE,
    TOPICS,
)
from penstock.local.stack import LocalStack
from penstock.runtime.decoding import Decoder
from penstock.settings.loader import load_plant

PRESS = "acme/bremen/stamping/line1/press01"
SECOND = 1_000_000
START = 1_790_000_000 * SECOND
TAGS = ["bearing2_temperature", "main_drive_current"]
DEADLINE = 90.0


def until(look, what):
    deadline = time.monotonic() + DEADLINE
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


class Rig:
    """A plant with its own Kafka and registry, and the processes that a test starts."""

    def __init__(self, stack, folder):
        self.folder = folder
        self.config = write_factory(
            folder, opcua_port=4840, modbus_port=5020, windows={"5 s": "1 min"},
            bootstrap=stack.kafka_settings().bootstrap, registry=stack.registry_settings().url,
        ).plant  # fmt: skip
        self.plant = load_plant(self.config)
        ensure_topics(self.plant.kafka, TOPICS)
        self.registry = Registry(self.plant.registry)
        self.producer = Producer(producer_options(self.plant.kafka))
        self.offsets = itertools.count(1)
        self.processes = {}

    def command(self, *words):
        return [sys.executable, "-m", "penstock", *words, "--config", str(self.config)]

    def start(self, *words):
        run = ["--run-dir", str(self.folder / "run")] if words[0] == "work" else []
        with (self.folder / f"{'-'.join(words)}.log").open("ab") as log:
            process = subprocess.Popen(self.command(*words, *run), stdout=log, stderr=log)
        self.processes[words] = process
        return process

    def kill(self, *words):
        self.processes[words].kill()
        self.processes[words].wait()

    def stop(self):
        for words in self.processes:
            self.kill(*words)

    def penstock(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def alerts(self):
        """The open ones; read here, since each command takes seconds to start."""
        return [one for one in read_alerts(self.plant) if one["state"] != "cleared"]

    def send(self, topic, datum):
        version = {"epoch": 1, "offsets": [next(self.offsets)], "emission": 1}
        schema = self.registry.register(topic.name, topic.record)
        body = encode_record(topic.record, {**datum, "version": version})
        self.producer.produce(topic.name, key=datum["asset"].encode(), value=frame(schema, body))
        self.producer.flush()

    def score(self, seconds, p_value, alarm):
        time = START + seconds * SECOND
        self.send(ANOMALIES, {
            "asset": PRESS, "source": "", "time": time, "detector": "pca", "parameters": "x",
            "watermark": time, "revision": 1, "state": "alarm" if alarm else "ok",
            "learning": "gated" if alarm else "learned", "score": 3.0, "p_value": p_value,
            "alarm": alarm, "alarm_since": None, "threshold": 0.01, "statistics": ["t2"],
            "values": [2.5], "tags": TAGS, "contributions": [0.7, 0.2], "missing": [],
        })  # fmt: skip

    def window(self, seconds, means, coverage=1.0):
        start = START + seconds * SECOND
        both = [0.0, 0.0]
        self.send(FEATURES, {
            "asset": PRESS, "source": "press_plc", "window_start": start,
            "window_size": 5 * SECOND, "watermark": start + 5 * SECOND, "revision": 1,
            "tags": TAGS, "mean": means, "coverage": [coverage] * 2, "count": [5, 5],
            "bad": [0, 0], "late": [0, 0],
            **dict.fromkeys(("time_weighted_mean", "minimum", "maximum"), means),
            **dict.fromkeys(("standard_deviation", "first", "last"), both),
        })  # fmt: skip

    def page(self, url, state):
        """Alerts in a state on the page, which may still start, or show an earlier state."""
        try:
            found = httpx.get(f"{url}state", timeout=DEADLINE).json()["alerts"]
        except httpx.TransportError:
            return []
        return [one for one in found if one["state"] == state]

    def requests(self):
        decode = Decoder(self.registry).record
        return [decode(one).value for one in self.messages(MAINTENANCE)]

    def messages(self, topic):
        with Tail(self.plant.kafka, {topic.name: None}, "test") as tail:
            return tail.to_end()

    def cloud_events(self, topic):
        """What CloudEvents' own reader makes of a topic's messages."""
        messages = [
            KafkaMessage(dict(one.headers()), one.key(), one.value())
            for one in self.messages(topic)
        ]
        return [from_binary(one, JSONFormat()) for one in messages]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    stack = LocalStack(tmp_path_factory.mktemp("stack"), kafka_port=0, registry_port=0)
    with ExitStack() as started:
        started.callback(stack.down)
        stack.up()
        found = Rig(stack, tmp_path_factory.mktemp("plant"))
        started.callback(found.stop)
        yield found


def test_an_alert_is_raised_seen_acknowledged_and_over(rig, tmp_path):
    worker, sink = ("work", "processor", "alerts"), ("work", "sink", "maintenance")
    for words in (worker, sink, ("console", "--port", "0")):
        rig.start(*words)
    for n in range(12):
        rig.window(5 * n - 60, [31.0 + 3 * max(0, n - 8), 12.0])
    for seconds in range(0, 15, 5):
        rig.score(seconds, 1e-4, alarm=True)
    (raised,) = until(rig.alerts, "an alert")
    assert (raised["state"], raised["asset"]) == ("raised", PRESS)
    assert raised["cause"] == "anomaly/pca" and raised["severity"] == "high"
    code, text = rig.penstock("alerts", "list", "--json")
    assert code == 0 and [json.loads(line)["id"] for line in text.splitlines()] == [raised["id"]]
    drawn = [31.0 + 3 * max(0, n - 8) for n in range(12)]  # windows may come after the scores
    until(lambda: rig.alerts()[0]["evidence"]["signals"][:12] == drawn, "its evidence")

    rig.kill(*worker)  # what a person says meanwhile is not lost
    code, text = rig.penstock("alerts", "ack", raised["id"][:6], "--by", "Ann Lee", "--note", "ok")
    assert code == 0 and "acknowledged by Ann Lee" in text
    rig.start(*worker)
    (seen,) = until(lambda: [a for a in rig.alerts() if a["state"] != "raised"], "her word")
    assert (seen["state"], seen["acknowledged_by"], seen["note"]) == (
        "acknowledged",
        "Ann Lee",
        "ok",
    )
    assert seen["id"] == raised["id"]

    log = rig.folder / "console---port-0.log"
    url = until(lambda: re.search(r"http://\S+", log.read_text()), "the console")[0]
    (shown,) = until(lambda: rig.page(url, "acknowledged"), "the alert on the page")
    assert shown["acknowledged_by"] == "Ann Lee" and shown["name"] == "press01"

    rig.kill(*sink)  # the request is sent again, and is the same
    for seconds in range(20, 100, 10):
        rig.score(seconds, 0.6, alarm=False)
    until(lambda: not rig.alerts(), "its end")
    rig.start(*sink)
    ended = lambda: [one for one in rig.requests() if one["RequestState"] == "Ended"]  # noqa: E731
    until(ended, "the end of the request")
    requests = rig.requests()
    assert {one["ID"] for one in requests} == {raised["id"]}
    newest = max(requests, key=lambda one: one["Version"])
    assert newest["RequestState"] == "Ended" and newest["AcknowledgedBy"] == "Ann Lee"
    assert newest["HierarchyScope"] == PRESS and "bearing2_temperature" in newest["Description"][1]

    for topic, component in (
        (ALERTS, "alerts"), (ACKNOWLEDGEMENTS, "acknowledgements"), (MAINTENANCE, "maintenance"),
    ):  # fmt: skip
        for event in rig.cloud_events(topic):
            assert event.get_type() == f"io.penstock.v1.{topic.record}"
            assert event.get_source() == f"/acme/bremen/{component}"
            assert event.get_datacontenttype() == "application/avro"
            assert abs(event.get_time().timestamp() - time.time()) < 10 * DEADLINE
    told = {event.get_id() for event in rig.cloud_events(MAINTENANCE)}
    assert told == {f"{one['ID']}/{one['Version']}" for one in requests}
    sent = {(event.get_id(), event.get_data()) for event in rig.cloud_events(ALERTS)}
    assert len({name for name, _ in sent}) == len(sent) >= 3  # one that comes again is the same

    plot = tmp_path / "alert.svg"
    code, text = rig.penstock("alerts", "show", raised["id"], "--plot", str(plot))
    assert code == 0 and "cleared" in text and "bearing2_temperature: 70 %" in text
    assert plot.read_text().startswith("<svg") and "polyline" in plot.read_text()
    code, text = rig.penstock("alerts", "show", "ffff")
    assert code == 2 and "there is no alert 'ffff'" in text
    code, text = rig.penstock("alerts", "ack", raised["id"], "--by", "Bob")
    assert code == 2 and "acknowledged already" in text and "by Ann Lee: ok" in text


def test_a_source_that_gives_nothing_raises_an_alert(rig):
    if ("work", "processor", "alerts") not in rig.processes:
        rig.start("work", "processor", "alerts")
    for seconds in range(1000, 1030, 5):
        rig.window(seconds, [float("nan")] * 2, coverage=0.0)
    (found,) = until(rig.alerts, "an alert")
    assert found["cause"] == "silent/press_plc" and found["severity"] == "high"
