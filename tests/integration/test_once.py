"""The writer of what comes of an input once, on a real Kafka: of two, one alone gets through."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, TopicPartition

from penstock.errors import FencedError, KafkaUnavailableError, TopicError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options
from penstock.kafka.describe import Describer
from penstock.kafka.scan import read
from penstock.kafka.topics import DAY_MS, Topic
from penstock.settings.plant import KafkaSettings
from penstock.state.once import Message, OnceWriter


class Rig:
    """An input of numbers, each of which is written as a record."""

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        self.kafka, self.name = kafka, name
        self.input, self.output = f"ot.{name}-in.v1", f"ot.{name}-out.v1"
        ensure_topics(kafka, [Topic(t, None, DAY_MS) for t in (self.input, self.output)])

    def writer(self, topic_id: str = "") -> OnceWriter:
        return OnceWriter(self.kafka, self.name, f"{self.name}-done", self.input, 0, topic_id)

    def messages(self, first: int, end: int) -> Iterator[Message]:
        for number in range(first, end):
            yield Message(self.output, b"k", str(number).encode())

    def written(self) -> list[int]:
        bounds = Describer(self.kafka).bounds(self.output, range(self.kafka.partitions))
        return [int(message.value() or b"") for message in read(self.kafka, self.output, bounds)]

    def committed(self) -> TopicPartition:
        group = options(self.kafka, group_id=f"{self.name}-done")
        with closing(Consumer(group)) as consumer:
            (found,) = consumer.committed([TopicPartition(self.input, 0)], timeout=30)
        return found


@pytest.fixture
def rig(kafka: KafkaSettings, unique: str) -> Rig:
    return Rig(kafka, unique)


def test_who_wakes_with_a_batch_that_another_has_begun_writes_nothing(rig: Rig) -> None:
    with closing(rig.writer()) as sleeper:
        sleeper.write(rig.messages(0, 3), 3)
        with closing(rig.writer()) as owner:
            owner.write(rig.messages(3, 5), 5)
            with pytest.raises(KafkaUnavailableError):
                sleeper.write(rig.messages(3, 9), 9)
            for _ in range(2):
                with pytest.raises(FencedError, match="next is 5, not 3"):
                    sleeper.write(rig.messages(3, 9), 9)
            with pytest.raises(KafkaUnavailableError):  # the sleeper's look has fenced it
                owner.write(rig.messages(5, 9), 9)
            owner.write(rig.messages(5, 9), 9)
    assert rig.written() == [*range(9)]


def test_who_wakes_with_a_batch_that_another_has_written_goes_on_behind_it(rig: Rig) -> None:
    with closing(rig.writer()) as sleeper:
        with closing(rig.writer()) as owner:
            owner.write(rig.messages(0, 7), 7)
        with pytest.raises(KafkaUnavailableError):
            sleeper.write(rig.messages(0, 5), 5)
        sleeper.write(rig.messages(0, 5), 5)
        with pytest.raises(FencedError, match="next is 7, not 5"):
            sleeper.write(rig.messages(5, 9), 9)
    assert rig.written() == [*range(7)]


def test_what_was_not_written_is_written_when_it_is_tried_again(rig: Rig) -> None:
    with closing(rig.writer()) as writer:
        rig.writer().close()  # fences, and writes nothing
        with pytest.raises(KafkaUnavailableError):
            writer.write(rig.messages(0, 5), 5)
        writer.write(rig.messages(0, 5), 5)
        writer.write(rig.messages(0, 5), 5)
    assert rig.written() == [*range(5)]


def test_an_offset_of_a_topic_that_was_created_anew_is_refused(rig: Rig) -> None:
    with closing(rig.writer()) as older:  # keeps no id
        older.write(rig.messages(0, 2), 2)
    with closing(rig.writer("first")) as writer:
        assert writer.next == 2
        writer.write(rig.messages(2, 5), 5)
    assert rig.committed().metadata == "first"
    with pytest.raises(TopicError, match="deleted and created again") as refused:
        rig.writer("second")
    assert refused.value.where == f"{rig.input}/0"
    assert "another name" in str(refused.value)
    with closing(rig.writer("first")) as writer:
        assert writer.next == 5
