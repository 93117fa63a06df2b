"""A partition that this worker owns, with all that storing its state needs."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Final

from penstock.errors import FencedError, KafkaUnavailableError
from penstock.state.checkpoint import Checkpoint, Parked
from penstock.state.layout import OUTBOX
from streams.host.guard import TopicGuard
from streams.host.outbox import dump_outbox
from streams.host.outputs import FULL, Outgoing, Outputs, Receipts
from streams.host.partition import Partition
from streams.host.record import Record
from streams.host.restore import Taken

ACKNOWLEDGE_SECONDS: Final = 5.0
"""How long a snapshot waits for its outputs; the next one goes on waiting."""


class Owned:
    """Joins a partition with its outputs and its snapshots.

    Args:
        taken: The partition and where its state is stored.
        outputs: Publishes what it emits, at once, or, with several inputs, once it is stored.
        guard: Is asked before each snapshot.
        executor: Runs what blocks.
    """

    def __init__(
        self, taken: Taken, outputs: Outputs, guard: TopicGuard, executor: Executor
    ) -> None:
        self.partition: Partition = taken.partition
        self.backlog: deque[tuple[str, Sequence[Record]]] = deque()
        """Topics and batches that wait for a schema."""
        self.stored_at = time.monotonic()
        """When all that was processed was last stored."""
        self._store = taken.store
        self._stored = taken.stored
        """What storing again leaves the state topic as it is."""
        self._outputs = outputs
        self._guard = guard
        self._executor = executor
        self._receipts = [Receipts()]
        self._number = 0
        self._storing = asyncio.Lock()
        self._over = False
        """Fenced or handed over: opening the store again would fence the rightful owner."""
        self._holds = len(self.partition.inputs) > 1
        self._held: list[Outgoing] = []
        """What is published once it is stored."""
        self._outputs.publish(taken.outbox, self._receipts[-1])

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages to Kafka; the next snapshot waits for them."""
        if self._holds:
            self._held += messages
        else:
            self._outputs.publish(messages, self._receipts[-1])

    @property
    def full(self) -> bool:
        """Whether so much waits to be stored that processing should wait, too."""
        return len(self._held) > FULL

    async def snapshot(self) -> dict[str, int] | None:
        """Store what changed; processing goes on meanwhile.

        Returns:
            The next offset of each topic that is now durable; None if nothing had changed, or it is
            not ours.

        Raises:
            FencedError: Another worker took over.
            KafkaUnavailableError: It is not stored; what was captured goes into the next one.
            KafkaException: An output cannot be published, ever.
            StateError: The state must not be stored: a topic is not the one that it is of.
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
            held, self._held = self._held, []
            if self._holds:
                rows = {**checkpoint.rows, OUTBOX: dump_outbox(held)}
                checkpoint = Checkpoint(rows, checkpoint.meta)
            waiting = list(self._receipts)
            self._receipts.append(Receipts())
            try:
                await self._run(self._write, waiting, checkpoint)
            except KafkaUnavailableError:
                self.partition.restore_unsaved(checkpoint)
                self._held = held + self._held
                raise
            except FencedError:
                self._over = True
                raise
            del self._receipts[: len(waiting)]
            self.stored_at = begun
            self._stored = Checkpoint({}, checkpoint.meta)
            self._outputs.publish(held, self._receipts[-1])
            return {topic: one.offset for topic, one in checkpoint.meta.inputs.items()}

    async def park(self, parked: Parked) -> None:
        """Store beside the last snapshot why the partition stands still, and let go of it.

        What was done after that snapshot does not count: it is done again by who resumes it.

        Raises:
            FencedError: Another worker took over.
            KafkaUnavailableError: It is not stored.
        """
        async with self._storing:
            if self._over:
                return
            self._over = True
            meta = replace(self._stored.meta, parked=parked, writer=self._store.writer,
                           number=self._number + 1)  # fmt: skip
            try:
                await self._run(self._store.write, Checkpoint(self._stored.rows, meta))
            finally:
                await self._run(self._store.close)

    async def close(self) -> None:
        """Let go of the state topic."""
        async with self._storing:
            self._over = True
            await self._run(self._store.close)

    def _write(self, waiting: Sequence[Receipts], checkpoint: Checkpoint) -> None:
        captured = time.monotonic()
        for receipts in waiting:
            receipts.wait(ACKNOWLEDGE_SECONDS)
        self._guard.check(captured)
        self._store.write(checkpoint)

    async def _run(self, work: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
