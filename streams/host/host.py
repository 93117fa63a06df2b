"""Runs a processor over the partitions that this worker is assigned."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException

from penstock.clock import Clock, now
from penstock.errors import (
    FencedError,
    KafkaUnavailableError,
    RegistryUnavailableError,
    StateError,
)
from penstock.health import Status
from penstock.kafka.registry import Registry
from penstock.processor import Processor
from penstock.settings.plant import Plant
from streams.host import metrics
from streams.host.meter import Meter
from streams.host.outputs import Outputs
from streams.host.owned import Owned
from streams.host.partition import Encoders, schema_ids
from streams.host.restore import Restorer, Takeover
from streams.host.schema_ids import SchemaIds

_log = structlog.get_logger()
RETRY_SECONDS: Final = 1.0
"""Between two questions to Kafka or the registry while they are away."""
_WAIT: Final = 0.02
"""Seconds between two looks at a full producer."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How a worker behaves in its group; seconds."""

    snapshot_every: float = 1.0
    advance_every: float = 0.25
    session_timeout: float = 8.0
    heartbeat: float = 0.4
    max_records: int = 2000
    """In one fetched batch."""


class Host:
    """Owns partitions between two rebalances; everything here runs on the event loop.

    Args:
        processor: What is run.
        plant: Where Kafka and the registry are, and the environment's name.
        status: What people are told.
        settings: How the worker behaves.
        encoders: Make messages of results.
        clock: For `advance` and delays.
    """

    def __init__(
        self,
        processor: Processor,
        plant: Plant,
        status: Status,
        settings: HostSettings,
        encoders: Encoders,
        registry: Registry,
        clock: Clock = now,
    ) -> None:
        self.name = processor.name
        self.settings = settings
        self._status = status
        self._clock = clock
        self._schemas = SchemaIds(registry)
        self._outputs = Outputs(plant.kafka, f"{plant.environment}-{processor.name}")
        self._executor = ThreadPoolExecutor(plant.kafka.partitions + 1, "snapshots")
        self._owned: dict[int, Owned] = {}
        self._durable: dict[int, int] = {}
        self.term = 0
        """Counts hand-overs; a batch that was fetched in another term is not taken."""
        self._fenced_since: float | None = None
        self.meter = Meter(self.name, clock)
        self._restorer = Restorer(
            processor, plant.kafka, plant.environment, encoders, self.meter.observer,
            ThreadPoolExecutor(plant.kafka.partitions, "restore"),
        )  # fmt: skip

    # What the transport asks.

    def resume_offsets(self) -> Mapping[int, int]:
        """The next offset of each owned partition."""
        return {number: owned.partition.next_offset for number, owned in self._owned.items()}

    def durable_offsets(self) -> Mapping[int, int]:
        """The next offset that each partition's stored state covers."""
        return self._durable

    async def hand_over(self) -> None:
        """Store the state of all partitions and forget them."""
        self._status.ready = False
        self.term += 1
        owned, self._owned = self._owned, {}
        await asyncio.gather(*(self._hand_over(number, one) for number, one in owned.items()))

    async def _hand_over(self, number: int, owned: Owned) -> None:
        await self._snapshot(number, owned)
        await owned.close()

    # Restore.

    async def restore(self, partitions: list[int], generation: int, wanted: Any) -> None:
        """Take over what was assigned; gives up when the assignment is no longer `wanted()`."""
        begun = time.monotonic()
        await self.hand_over()
        self._durable, self._fenced_since = {}, None
        loop = asyncio.get_running_loop()
        while wanted():
            try:
                takeover = await loop.run_in_executor(
                    self._executor, self._restorer.take, partitions, wanted
                )
            except KafkaUnavailableError as error:
                _log.warning("state not restored yet", error=str(error))
                self._status.note(last_error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not wanted():
                await asyncio.to_thread(takeover.close)
                return
            self._own(takeover)
            seconds = time.monotonic() - begun
            metrics.RESTORE_SECONDS.labels(self.name).set(seconds)
            offsets = {str(n): offset for n, offset in self.resume_offsets().items()}
            _log.info("restored", generation=generation, seconds=seconds, offsets=offsets)
            return

    def _own(self, takeover: Takeover) -> None:
        for number, taken in takeover.taken.items():
            self._owned[number] = Owned(taken.partition, taken.store, self._outputs, self._executor)
            self.meter.owned(number, taken.partition)
            if taken.lost:
                metrics.LOST.labels(self.name).inc(taken.lost)
                _log.error("records expired unread", partition=number, records=taken.lost)
        for number, error in takeover.refused.items():
            self._park(number, error)
        if not takeover.refused:
            self._status.ready = True

    def _park(self, number: int, error: StateError) -> None:
        """Let a partition stand still until a person decides; the others go on."""
        self._owned.pop(number, None)
        self._status.fail(str(error))
        _log.error("parked", partition=number, error=str(error))

    # Processing.

    async def take(self, number: int, term: int, records: list[Any]) -> bool:
        """Process a fetched batch; False if the partition must stand still.

        Raises:
            KafkaException: An output cannot be published.
            Exception: Whatever the operator's results make the encoder raise.
        """
        while self._outputs.full:
            await asyncio.sleep(_WAIT)
        owned = self._owned.get(number)
        if term != self.term:
            return True  # fetched before a rebalance; its owner reads it again
        if owned is None:
            return False  # fenced or parked
        if owned.backlog or not self._schemas.known(schema_ids(records)):
            owned.backlog.append(records)
            return False
        self._process(number, owned, records, self._schemas.schemas)
        return True

    def _process(self, number: int, owned: Owned, records: list[Any], schemas: Any) -> None:
        try:
            owned.publish(owned.partition.process(records, schemas))
        except BaseException:
            self._owned.pop(number)  # its state is ahead of what is published: never store it
            raise
        self.meter.processed(number)

    def waits(self, number: int) -> bool:
        """Whether a partition has batches that wait for a schema."""
        return number in self._owned and bool(self._owned[number].backlog)

    async def catch_up(self, number: int) -> None:
        """Process a partition's backlog once the registry answers; keeps asking until then."""
        owned = self._owned.get(number)
        while owned is not None and owned.backlog and self._owned.get(number) is owned:
            records = list(owned.backlog[0])
            try:
                schemas = await self._schemas.resolve(schema_ids(records))
            except RegistryUnavailableError as error:
                _log.warning("waiting for a schema", partition=number, error=str(error))
                self._status.note(last_error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._owned.get(number) is owned:
                self._process(number, owned, records, schemas)
                owned.backlog.popleft()

    # Regular work.

    async def snapshot(self) -> None:
        """Store what changed in all partitions."""
        await asyncio.gather(
            *(self._snapshot(number, owned) for number, owned in list(self._owned.items()))
        )
        self.meter.report(self._owned)
        if (
            self._fenced_since is not None
            and time.monotonic() - self._fenced_since > 3 * self.settings.session_timeout
        ):
            msg = "another worker took over, but the group still assigns us its partition"
            raise FencedError(msg, remedy="look for a second deployment of this environment")

    def advance(self) -> None:
        """Let the operators emit what is due."""
        time_now = self._clock()
        for number, owned in list(self._owned.items()):
            try:
                owned.publish(owned.partition.advance(time_now))
            except BaseException:
                self._owned.pop(number)
                raise
            self.meter.processed(number)

    async def _snapshot(self, number: int, owned: Owned) -> None:
        begun = time.monotonic()
        try:
            offset = await owned.snapshot()
        except FencedError as error:
            self._drop(number, owned)
            self._fenced_since = self._fenced_since or time.monotonic()
            metrics.FENCED.labels(self.name).inc()
            _log.warning("fenced", partition=number, error=str(error))
        except KafkaUnavailableError as error:
            _log.warning("snapshot not stored", partition=number, error=str(error))
            self._status.note(last_error=str(error))
        except StateError as error:
            self._drop(number, owned)
            self._park(number, error)
        except KafkaException:
            self._drop(number, owned)
            raise
        else:
            if offset is not None:
                self._durable[number] = offset
                metrics.SNAPSHOTS.labels(self.name).inc()
                metrics.SNAPSHOT_SECONDS.labels(self.name).observe(time.monotonic() - begun)

    def _drop(self, number: int, owned: Owned) -> None:
        if self._owned.get(number) is owned:
            del self._owned[number]
        self._durable.pop(number, None)

    def close(self) -> None:
        """Let go of Kafka."""
        self._outputs.close()
        self._executor.shutdown(wait=False)
        self._restorer.executor.shutdown(wait=False)
