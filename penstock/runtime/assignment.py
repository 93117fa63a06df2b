"""The partitions that a sink reads: how far each is read, and which of them wait."""

import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, TopicPartition

from penstock.kafka.client import Place
from penstock.runtime.backoff import Backoff


class Assignment:
    """What is ours to read; nothing before the first `start` and after `end`.

    Args:
        consumer: Fetches the records.
        monotonic: Seconds.
    """

    def __init__(self, consumer: Consumer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._monotonic = monotonic
        self._next: dict[Place, int] = {}
        self._done: dict[Place, int] = {}
        self._waiting: set[Place] = set()
        self._waiting_until = 0.0
        self._wanted: dict[Place, int] = {}
        """The offset that a partition waits for, or waited for until now."""
        self._backoff = Backoff()
        self._all_wait = False
        self._held: set[Place] = set()

    @property
    def partitions(self) -> list[Place]:
        """What is ours, in order."""
        return sorted(self._next)

    @property
    def positions(self) -> Mapping[Place, int]:
        """The next record to read of each."""
        return self._next

    def start(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions, from these offsets on, and no others."""
        self._consumer.assign(_partitions(offsets))
        # librdkafka keeps a pause across assignments; `hold` pauses anew what has to wait.
        self._consumer.resume(_partitions(offsets))
        self.end()
        self._next |= offsets

    def end(self) -> None:
        """Nothing is ours any more."""
        for known in (self._next, self._done, self._waiting, self._wanted, self._held):
            known.clear()

    def reads(self, key: Place) -> bool:
        """Whether a partition's next record is to be taken now: it is ours and does not wait."""
        return key in self._next and key not in self._waiting

    def took(self, key: Place, offset: int) -> None:
        """The record at this offset is taken."""
        self._next[key] = offset + 1
        if self._wanted.get(key) == offset:
            del self._wanted[key]
            self._backoff.reset()

    def wait(self, key: Place, offset: int) -> bool:
        """Read this record again later, and nothing of its partition before.

        Returns:
            Whether no other partition waited.
        """
        first = not self._waiting
        if first:
            self._waiting_until = self._monotonic() + self._backoff.next()
        self._waiting.add(key)
        self._wanted[key] = offset
        self._pause()
        self._consumer.seek(TopicPartition(*key, offset))
        return first

    def hold(self, *, everything: bool) -> None:
        """Fetch nothing of the partitions that wait, or of any."""
        self._all_wait = everything
        if self._waiting and self._monotonic() >= self._waiting_until:
            self._waiting.clear()
        self._pause()

    def commit(self, done: Mapping[Place, int], topic_ids: Mapping[str, str]) -> bool:
        """Have the group show up to which offsets records are carried out, and of which topic.

        Args:
            done: The next offsets.
            topic_ids: Of each topic its id; Kafka keeps it beside the offset.

        Returns:
            Whether that is further than before.
        """
        moved = {key: offset for key, offset in done.items() if self._done.get(key) != offset}
        if moved:
            offsets = [
                TopicPartition(*key, offset, topic_ids.get(key[0])) for key, offset in moved.items()
            ]
            self._consumer.commit(offsets=offsets, asynchronous=True)
            self._done |= moved
        return bool(moved)

    def lag(self) -> int:
        """Records that are there and not yet taken."""
        ends = (
            self._consumer.get_watermark_offsets(TopicPartition(*key), cached=True)[1] - position
            for key, position in self._next.items()
        )
        return sum(max(0, lag) for lag in ends)

    def _pause(self) -> None:
        wanted = set(self._next) if self._all_wait else set(self._waiting)
        if wanted - self._held:
            self._consumer.pause([TopicPartition(*key) for key in wanted - self._held])
        if self._held - wanted:
            self._consumer.resume([TopicPartition(*key) for key in self._held - wanted])
        self._held = wanted


def _partitions(offsets: Mapping[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(*key, offset) for key, offset in offsets.items()]
