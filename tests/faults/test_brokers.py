"""One of three brokers killed under load: what was acknowledged stays, workers go on."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checker import Place, check_log, recoveries
from cluster import Cluster
from confluent_kafka import KafkaError, Message
from host_rig import ASSETS
from window_rig import PER_EVENT, WindowRig

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.settings.plant import RegistrySettings
from schemas import schema_text

pytestmark = pytest.mark.faults
Record = Callable[[str, object], None]


class Sender:
    """Sends second after second of all assets, and notes where each event came to lie."""

    def __init__(self, rig: WindowRig, seconds: int, pause: float) -> None:
        self.acknowledged: dict[Place, int] = {}
        self.sent: list[int] = []
        self.refused = 0
        self._rig, self._seconds, self._pause = rig, seconds, pause
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for _ in range(self._seconds):
            for event in self._rig.events(1):
                number = int(event.values[0])
                self.sent.append(number)
                self._rig.send(event, self._noted(number))
            self._rig.producer.poll(self._pause)
        self._rig.producer.flush()

    def _noted(self, number: int) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.refused += 1
                return
            self.acknowledged[message.partition() or 0, message.offset() or 0] = number

        return delivered


def numbers(rig: WindowRig) -> Iterator[tuple[Place, int]]:
    """Where each event lies, by reading the topic."""
    writer = schema_text("SensorEvent")
    for message in rig.read(rig.reads):
        if message is None:
            return
        event = decode(unframe(message.value())[1], writer)
        yield (message.partition() or 0, message.offset() or 0), int(event.values[0])


def test_a_broker_killed_and_restarted_under_load(
    cluster: Cluster, registry: RegistrySettings, unique: str, tmp_path: Path, full: bool,
    chance: random.Random, record_property: Record,
) -> None:  # fmt: skip
    kills, seconds = (6, 1_250) if full else (1, 150)
    rig = WindowRig(cluster.kafka, registry, unique, tmp_path)
    try:
        _run(rig, cluster, kills, seconds, chance, record_property)
    finally:
        rig.stop_workers()


def _run(
    rig: WindowRig, cluster: Cluster, kills: int, seconds: int, chance: random.Random,
    record_property: Record,
) -> None:  # fmt: skip
    worker, struck = rig.start(), []
    rig.await_log("restored")
    assert rig.await_log("state topic")["survives_a_broker"] is True
    sender = Sender(rig, seconds, 0.1)
    sender.thread.start()
    for _ in range(kills):
        time.sleep(chance.uniform(1.0, 3.0))  # when the broker is hit
        node = cluster.leader(rig.reads, chance.randrange(4))
        struck.append(time.time())
        cluster.kill(node)
        time.sleep(chance.uniform(2.0, 5.0))  # how long it is away
        cluster.run(node)
        cluster.await_brokers(3)
    sender.thread.join()
    rig.close_windows()
    found = rig.compare()
    closing = rig.seconds * ASSETS * PER_EVENT  # the first number of what closed the windows
    read = [one for one in numbers(rig) if one[1] < closing]
    verdict = check_log(sender.acknowledged, sender.sent, read)
    record_property("samples", rig.fed)
    record_property("faults", kills)
    record_property("lost", verdict.lost + found.lost)
    record_property("twice", verdict.twice + found.twice)
    back = max(recoveries(rig.appended(), struck))
    record_property("recovery_s", round(back, 1))
    assert worker.poll() is None, "the worker died with the broker"
    assert sender.refused == 0
    assert (verdict.lost, verdict.twice, verdict.inversions) == (0, 0, 0)
    assert not found.wrong, found.wrong[:3]
    assert back < float("inf")
