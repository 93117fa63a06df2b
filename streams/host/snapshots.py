"""Stores snapshots of partitions in the state topic, each in one fenced Kafka transaction.

The transactional id belongs to a processor's partition: whoever opens it last fences all others
and ends their transactions. So a worker that was paused cannot move the state backwards.
"""

import time
import uuid
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from penstock.errors import FencedError, KafkaUnavailableError, StateError
from penstock.kafka.client import options, producer_options
from penstock.settings.plant import KafkaSettings
from streams.host.checkpoint import Checkpoint, Meta

META_KEY: Final = b"meta"
_ROW: Final = b"row:"
OPEN_SECONDS: Final = 30.0
COMMIT_SECONDS: Final = 10.0
_TRANSACTION_MS: Final = 60_000
"""Longer than a broker's restart; whoever takes over ends an open transaction without waiting."""
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

    def open(self, newest: Meta | None = None) -> None:
        """Become the only writer; ends a predecessor's transaction.

        Raises:
            KafkaUnavailableError: No coordinator answers.
        """
        self._last = [(newest.writer, newest.number)] if newest else []
        self._open()

    def expect(self, newest: Meta | None) -> None:
        """Say what lies in the topic as its newest snapshot."""
        self._last = [(newest.writer, newest.number)] if newest else []

    def write(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, whole or not at all.

        Raises:
            FencedError: Another worker took over.
            KafkaUnavailableError: It is not known to be stored; write it again with what is newer.
            StateError: It cannot be stored as it is.
        """
        if self._producer is None:
            self._reopen()
        producer = self._producer
        assert producer is not None
        self._last.append((checkpoint.meta.writer, checkpoint.meta.number))
        try:
            producer.begin_transaction()
            for name, row in checkpoint.rows.items():
                self._produce(producer, _ROW + name.encode(), row)
            self._produce(producer, META_KEY, checkpoint.meta.dump())
            producer.commit_transaction(COMMIT_SECONDS)
        except KafkaException as failure:
            self._give_up(producer, failure)
        self._last = self._last[-1:]

    def close(self) -> None:
        """Let go of Kafka."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _produce(self, producer: Producer, key: bytes, value: bytes | None) -> None:
        while True:
            try:
                producer.produce(self._topic, value, key, partition=self._partition)
            except BufferError:
                producer.poll(0.05)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self.close()
                msg = f"row {key!r} of {len(value or b'')} bytes is too large to store"
                raise StateError(
                    msg, where=str(self), remedy="let the operator split it"
                ) from failure
            else:
                return

    def _give_up(self, producer: Producer, failure: KafkaException) -> None:
        """Find out what a failed transaction means; librdkafka cannot say whether it took place."""
        error = failure.args[0]
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

    def _open(self) -> None:
        producer = Producer(
            producer_options(
                self._settings,
                client_id=self._transactional_id,
                transactional_id=self._transactional_id,
                transaction_timeout_ms=_TRANSACTION_MS,
                linger_ms=0,
            )
        )
        try:
            producer.init_transactions(OPEN_SECONDS)
        except KafkaException as failure:
            producer.close()
            msg = f"the state topic cannot be opened: {failure.args[0].str()}"
            raise KafkaUnavailableError(msg, where=str(self)) from failure
        self._producer = producer

    def _reopen(self) -> None:
        """Open anew after a failure, unless another worker wrote meanwhile."""
        self._open()
        found = read_snapshots(self._settings, self._topic, [self._partition])[self._partition]
        newest = [(found.meta.writer, found.meta.number)] if found else []
        if newest and newest[0] not in self._last:
            self.close()
            msg = "another worker wrote this partition's state"
            raise FencedError(msg, where=str(self))

    def __str__(self) -> str:
        return f"{self._topic}[{self._partition}]"


def read_snapshots(
    settings: KafkaSettings, topic: str, partitions: list[int]
) -> dict[int, Checkpoint | None]:
    """The stored state of each partition, None where there is none; blocks.

    Call it after `SnapshotStore.open`, which ends the transactions that would hide the newest.

    Raises:
        KafkaUnavailableError: The topic cannot be read to its end.
        StateError: A description is of another format.
    """
    consumer = Consumer(
        options(
            settings,
            group_id="penstock-restore",  # never joined: partitions are assigned by hand
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_partition_eof=True,
            fetch_wait_max_ms=50,
        )
    )
    rows: dict[int, dict[str, bytes | None]] = {partition: {} for partition in partitions}
    metas: dict[int, Meta] = {}
    left = set(partitions)
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        progress = time.monotonic()
        while left:
            messages = consumer.consume(1000, 0.05)  # waits for all of them, or so long
            if messages:
                progress = time.monotonic()
            elif time.monotonic() - progress > OPEN_SECONDS:
                msg = f"the state cannot be read to its end within {OPEN_SECONDS:g} s"
                raise KafkaUnavailableError(msg, where=topic)
            for message in messages:
                partition = message.partition() or 0
                error = message.error()
                if error is None:
                    _apply(message.key() or b"", message.value(), rows[partition])
                    if message.key() == META_KEY and message.value() is not None:
                        metas[partition] = Meta.load(
                            message.value() or b"", f"{topic}[{partition}]"
                        )
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(partition)
                elif not error.retriable():
                    msg = f"the state cannot be read: {error.str()}"
                    raise KafkaUnavailableError(msg, where=topic)
    finally:
        consumer.close()
    return {
        partition: Checkpoint(rows[partition], metas[partition]) if partition in metas else None
        for partition in partitions
    }


def _apply(key: bytes, value: bytes | None, rows: dict[str, bytes | None]) -> None:
    if key.startswith(_ROW):
        name = key.removeprefix(_ROW).decode()
        if value is None:
            rows.pop(name, None)
        else:
            rows[name] = value
