"""What of a sink's partitions waits, and for how long; without Kafka."""

from typing import cast

from confluent_kafka import Consumer, TopicPartition

from penstock.runtime.assignment import Assignment

HERE, THERE = ("ot.sensors.v1", 0), ("ot.sensors.v1", 1)


class Fetching:
    """A consumer that remembers what it is not to fetch, and where it is to go on."""

    def __init__(self) -> None:
        self.paused: set[tuple[str, int]] = set()
        self.sought: list[int] = []

    def assign(self, _: list[TopicPartition]) -> None:
        pass

    def pause(self, parts: list[TopicPartition]) -> None:
        self.paused |= {(part.topic, part.partition) for part in parts}

    def resume(self, parts: list[TopicPartition]) -> None:
        self.paused -= {(part.topic, part.partition) for part in parts}

    def seek(self, part: TopicPartition) -> None:
        self.sought.append(part.offset)


class Rig:
    """Two partitions that are read from their beginning, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.consumer = Fetching()
        self.ours = Assignment(cast("Consumer", self.consumer), lambda: self.now)
        self.ours.start({HERE: 0, THERE: 0})

    def look_after(self, seconds: float) -> set[tuple[str, int]]:
        """What is not fetched then."""
        self.now += seconds
        self.ours.hold(everything=False)
        return self.consumer.paused


def test_a_partition_waits_beside_others_and_all_wait_for_the_sink() -> None:
    rig = Rig()
    assert rig.ours.wait(HERE, 0)
    assert not rig.ours.wait(THERE, 7), "another waits already"
    assert rig.consumer.sought == [0, 7]
    assert rig.look_after(0) == {HERE, THERE}
    assert rig.look_after(0.25) == set()
    assert rig.ours.wait(HERE, 0)
    rig.ours.hold(everything=True)
    assert rig.consumer.paused == {HERE, THERE}
    assert rig.look_after(0) == {HERE}
    assert (rig.ours.reads(HERE), rig.ours.reads(THERE)) == (False, True)
    rig.ours.end()
    assert not rig.ours.reads(THERE)


def test_waits_grow_until_the_record_that_is_waited_for_is_read() -> None:
    rig = Rig()
    for _ in range(6):
        rig.ours.wait(HERE, 0)
        rig.look_after(5)
    rig.ours.wait(HERE, 0)
    rig.ours.took(THERE, 0)
    assert rig.look_after(1) == {HERE}, "a record of another partition tells nothing of it"
    assert rig.look_after(5) == set()
    rig.ours.took(HERE, 0)
    rig.ours.wait(HERE, 1)
    assert rig.look_after(0.25) == set()
