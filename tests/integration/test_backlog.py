"""What the demo waits for before it ends: all that lies in Kafka is carried out."""

import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from penstock.demo.backlog import UNKNOWN, Backlog
from penstock.kafka.client import options, producer_options
from penstock.local.ports import HOST, free_port
from penstock.settings.plant import KafkaSettings


def test_records_are_left_until_their_group_has_committed_them(
    kafka: KafkaSettings, unique: str
) -> None:
    backlog = Backlog(kafka, {"processor": [(unique, [unique])], "sink": []})
    assert backlog.left("processor") == 0, "there is no such topic yet"
    admin = AdminClient(options(kafka))
    admin.create_topics([NewTopic(unique, num_partitions=1)])[unique].result()
    producer = Producer(producer_options(kafka))
    for _ in range(3):
        producer.produce(unique, b"record", partition=0)
    producer.flush()
    _until(backlog, 3)
    consumer = Consumer(options(kafka, group_id=unique))
    for carried_out, left in ((2, 1), (3, 0)):
        place = TopicPartition(unique, 0, carried_out)
        consumer.commit(offsets=[place], asynchronous=False)
        _until(backlog, left)
    consumer.close()
    assert backlog.left("sink") == 0


def test_where_kafka_is_away_something_may_be_left() -> None:
    away = KafkaSettings(bootstrap=f"{HOST}:{free_port()}")
    assert Backlog(away, {"processor": [("group", ["topic"])]}).left("processor") == UNKNOWN


def _until(backlog: Backlog, left: int) -> None:
    """Wait for a figure: a broker that just started does not know its groups yet."""
    deadline = time.monotonic() + 60
    while (found := backlog.left("processor")) != left:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
