"""A partition that this worker owns, with all that storing its state needs."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

from penstock.errors import FencedError, KafkaUnavailableError
from streams.host.checkpoint import Checkpoint
from streams.host.outputs import Outgoing, Outputs, Receipts
from streams.host.partition import Partition, Record
from streams.host.snapshots import SnapshotStore

ACKNOWLEDGE_SECONDS: Final = 5.0
"""How long a snapshot waits for its outputs; the next one goes on waiting."""


class Owned:
    """Joins a partition with its outputs and its snapshots."""

    def __init__(
        self, partition: Partition, store: SnapshotStore, outputs: Outputs, executor: Executor
    ) -> None:
        self.partition = partition
        self.backlog: deque[Sequence[Record]] = deque()
        """Batches that wait for a schema."""
        self.stored_at = time.monotonic()
        """When all that was processed was last stored."""
        self._store = store
        self._outputs = outputs
        self._executor = executor
        self._receipts = [Receipts()]
        self._number = 0
        self._storing = asyncio.Lock()
        self._over = False
        """Fenced or handed over: opening the store again would fence the rightful owner."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages to Kafka; the next snapshot waits for them."""
        self._outputs.publish(messages, self._receipts[-1])

    async def snapshot(self) -> int | None:
        """Store what changed; processing goes on meanwhile.

        Returns:
            The next offset that is now durable; None if nothing had changed, or it is not ours.

        Raises:
            FencedError: Another worker took over.
            KafkaUnavailableError: It is not stored; what was captured goes into the next one.
            KafkaException: An output cannot be published, ever.
            StateError: The state cannot be stored as it is.
        """
        async with self._storing:
            if self._over:
                return None
            begun = time.monotonic()
            checkpoint = self.partition.capture(self._store.writer, self._number + 1)
            if checkpoint is None:
                self.stored_at = begun
                return None
            self._number += 1
            waiting = list(self._receipts)
            self._receipts.append(Receipts())
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._executor, self._write, waiting, checkpoint)
            except KafkaUnavailableError:
                self.partition.restore_unsaved(checkpoint)
                raise
            except FencedError:
                self._over = True
                raise
            del self._receipts[: len(waiting)]
            self.stored_at = begun
            return checkpoint.meta.offset

    async def close(self) -> None:
        """Let go of the state topic."""
        async with self._storing:
            self._over = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._store.close)

    def _write(self, waiting: Sequence[Receipts], checkpoint: Checkpoint) -> None:
        for receipts in waiting:
            receipts.wait(ACKNOWLEDGE_SECONDS)
        self._store.write(checkpoint)
