"""`penstock topics flatten`: each sample is a record of its own, once, whoever is killed."""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

sys.path.insert(0, str(Path(__file__).parent))
from command_rig import DEADLINE
from flatten_rig import START, FlattenRig

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import producer_options
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import KafkaSettings, RegistrySettings
from schemas import SensorEvent


@pytest.fixture
def rig(
    tmp_path: Path, unique: str, kafka: KafkaSettings, registry: RegistrySettings
) -> FlattenRig:
    return FlattenRig(tmp_path, unique, kafka, registry)


def test_each_sample_is_a_record_of_its_own_once_however_often_it_is_killed(
    rig: FlattenRig,
) -> None:
    first = rig.feed()
    with rig.flattening():
        rig.until(1)  # some transactions are through, others may be open
    second = rig.feed()
    with rig.flattening():
        rig.until(len(first) + 1)
    third = rig.feed()
    with rig.flattening() as process:
        rig.until(len(first) + len(second) + len(third))
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert sorted(rig.rows(), key=repr) == sorted(first + second + third, key=repr)
    assert {one["server_time"] - one["ingest_time"] for one in rig.samples()} == {5}


def test_more_samples_than_a_transaction_can_hold_are_written_in_several(rig: FlattenRig) -> None:
    ensure_topics(rig.kafka, [SENSORS])
    with closing(Registry(rig.registry)) as registry:
        schema_id = registry.register(SENSORS.name, "SensorEvent")
    producer, size = Producer(producer_options(rig.kafka)), 60_000
    for n in range(3):  # of one partition: more than the producer's queue of 100,000
        asset, none = f"acme/{rig.name}/a0", np.array([])
        event = SensorEvent(
            asset, "plc", "s1", n, START + n * size, START, ("flow",), np.array([size]),
            np.arange(size, dtype=float), none, np.zeros(size), (), none.astype(np.int32),
            none.astype(np.int32),
        )  # fmt: skip
        producer.produce(SENSORS.name, frame(schema_id, encode(event)), asset.encode())
    producer.flush()
    with rig.flattening():
        rig.until(3 * size)
