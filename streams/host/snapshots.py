"""Stores snapshots of partitions in the state topic, each in one fenced Kafka transaction.

The transactional id belongs to a processor's partition: whoever opens it last fences all others
and ends their transactions. So a worker that was paused cannot move the state backwards.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from penstock.errors import FencedError, KafkaUnavailableError
from penstock.kafka.client import Headers
from penstock.settings.plant import KafkaSettings
from penstock.state.checkpoint import Checkpoint, Meta
from penstock.state.fencing import let_go, open_producer
from penstock.state.layout import (
    PARTS,
    RowMessage,
    Stored,
    messages_of,
    meta_key,
    parts_of,
)
from penstock.state.reading import read_states

COMMIT_SECONDS: Final = 10.0
_FENCED: Final = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


class SnapshotStore:
    """Writes the snapshots of one partition. All methods block, for a thread.

    Args:
        settings: Where Kafka is.
        topic: The state topic.
        partition: Of the source, and of the state topic alike.
        transactional_id: `<environment>-<processor>-<partition>`.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, partition: int, transactional_id: str
    ) -> None:
        self.writer = uuid.uuid4().hex
        self._settings = settings
        self._topic = topic
        self._partition = partition
        self._transactional_id = transactional_id
        self._producer: Producer | None = None
        self._last: list[tuple[str, int]] = []
        """(writer, number) of what may lie in the topic as its newest snapshot."""
        self._sizes: dict[str, int] = {}
        """Bytes of each row of the whole state, and `_size` of all."""
        self._size = 0
        self._doubtful: set[str] = set()
        """Rows of transactions of which nobody knows whether they took place."""
        self._obsolete: list[bytes] = []
        self._obsolete_until: Mapping[str, int] = {}
        """By topic: how far the state before had come."""

    def open(self) -> None:
        """Become the only writer; ends a predecessor's transaction.

        Raises:
            KafkaUnavailableError: No coordinator answers.
        """
        self._producer = open_producer(self._settings, self._transactional_id, str(self))

    def expect(self, stored: Stored, epoch: int) -> None:
        """Say what lies in the topic, and of which epoch the snapshots will be.

        What lies there of another epoch or layout is deleted once the new state has come as far.
        """
        found = stored.checkpoint
        self._last = [(found.meta.writer, found.meta.number)] if found else []
        self._sizes, self._obsolete = {}, list(stored.obsolete)
        before = stored.older
        if found and found.meta.epoch == epoch and not stored.old_layout:
            self._sizes = {name: len(row or b"") for name, row in found.rows.items()}
        elif found:
            before = found.meta
            self._obsolete += stored.keys
        self._size = sum(self._sizes.values())
        known = before.inputs if before else {}
        self._obsolete_until = {topic: one.offset for topic, one in known.items()}

    def write(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, whole or not at all.

        Raises:
            FencedError: Another worker took over.
            KafkaUnavailableError: It is not known to be stored; write it again with what is newer.
            StateError: What lies there cannot be read.
        """
        if self._producer is None:
            self._reopen()
        producer = self._producer
        assert producer is not None
        self._last.append((checkpoint.meta.writer, checkpoint.meta.number))
        meta = self._measured(checkpoint)
        done = self._obsolete if self._caught_up(meta) else []
        try:
            producer.begin_transaction()
            self._produce(producer, self._messages(checkpoint))
            self._produce(producer, (RowMessage(key, None) for key in done))
            self._produce(producer, [RowMessage(meta_key(meta.epoch), meta.dump())])
            self._commit(producer)
        except KafkaException as failure:
            self._doubtful |= checkpoint.rows.keys()
            self._give_up(producer, failure)
        self._doubtful.clear()
        self._last = self._last[-1:]
        self._note(checkpoint)
        self._size = meta.size
        if done:
            self._obsolete = []

    def _commit(self, producer: Producer) -> None:
        """Commit; what takes long is waited for as long as it gets on."""
        left = len(producer)
        while True:
            try:
                return producer.commit_transaction(COMMIT_SECONDS)
            except KafkaException as failure:
                before, left = left, len(producer)
                if not failure.args[0].retriable() or left >= before:
                    raise

    def close(self) -> None:
        """Let go of Kafka."""
        producer, self._producer = self._producer, None
        if producer is not None:
            let_go(producer)

    def _caught_up(self, meta: Meta) -> bool:
        """Whether the state has come as far as the one before, in the topics that both read."""
        known = self._obsolete_until.items()
        return all(meta.inputs[t].offset >= at for t, at in known if t in meta.inputs)

    def _messages(self, checkpoint: Checkpoint) -> Iterator[RowMessage]:
        for name, row in checkpoint.rows.items():
            if row is None and name not in self._sizes and name not in self._doubtful:
                continue  # it came and went between two snapshots
            before = parts_of(self._sizes.get(name, 0))
            yield from messages_of(checkpoint.meta.epoch, name, row, before)

    def _measured(self, checkpoint: Checkpoint) -> Meta:
        """The description with the number of rows and bytes that will be there."""
        rows, size = len(self._sizes), self._size
        for name, row in checkpoint.rows.items():
            rows += (row is not None) - (name in self._sizes)
            size += len(row or b"") - self._sizes.get(name, 0)
        return replace(checkpoint.meta, rows=rows, size=size)

    def _note(self, checkpoint: Checkpoint) -> None:
        for name, row in checkpoint.rows.items():
            if row is None:
                self._sizes.pop(name, None)
            else:
                self._sizes[name] = len(row)

    def _produce(self, producer: Producer, messages: Iterable[RowMessage]) -> None:
        for message in messages:
            headers: Headers = [(PARTS, str(message.parts).encode())] if message.parts else []
            while True:
                try:
                    producer.produce(
                        self._topic,
                        message.value,
                        message.key,
                        partition=self._partition,
                        headers=list(headers),
                    )
                except BufferError:
                    producer.poll(0.05)
                else:
                    break

    def _give_up(self, producer: Producer, failure: KafkaException) -> None:
        """Find out what a failed transaction means; librdkafka cannot say whether it took place."""
        error = _reason(producer, failure)
        if error.code() in _FENCED:
            self.close()
            msg = "another worker took over this partition"
            raise FencedError(msg, where=str(self)) from failure
        if error.txn_requires_abort():
            try:
                producer.abort_transaction(COMMIT_SECONDS)
            except KafkaException:
                self.close()
        else:
            self.close()
        msg = f"the snapshot is not stored: {error.str()}"
        raise KafkaUnavailableError(msg, where=str(self)) from failure

    def _reopen(self) -> None:
        """Open anew after a failure, unless another worker wrote meanwhile."""
        self.open()
        found = read_states(self._settings, self._topic, [self._partition])[self._partition]
        if found.error is not None:
            self.close()
            raise found.error
        meta = found.checkpoint.meta if found.checkpoint else None
        if meta and (meta.writer, meta.number) not in self._last:
            self.close()
            msg = "another worker wrote this partition's state"
            raise FencedError(msg, where=str(self))

    def __str__(self) -> str:
        return f"{self._topic}[{self._partition}]"


def _reason(producer: Producer, failure: KafkaException) -> KafkaError:
    """What is wrong; that a message cannot be produced any more does not tell it."""
    error: KafkaError = failure.args[0]
    if error.code() == KafkaError._FATAL:
        try:
            producer.abort_transaction(COMMIT_SECONDS)
        except KafkaException as told:
            if told.args[0].code() in _FENCED:
                error = told.args[0]
    return error
