"""Runs a processor over the partitions that this worker is assigned."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog
from confluent_kafka import KafkaException

from penstock.clock import Clock, now
from penstock.errors import (
    ConfigurationError,
    FencedError,
    KafkaUnavailableError,
    PenstockError,
    StateError,
)
from penstock.health import Status
from penstock.kafka.client import Place
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.processor import Processor
from penstock.runtime.backoff import Backoff
from penstock.settings.plant import Plant
from penstock.state.checkpoint import Parked
from penstock.state.control import Control
from streams.host import metrics
from streams.host.commands import Commands
from streams.host.encoders import Encoders
from streams.host.guard import TopicGuard
from streams.host.intake import Intake
from streams.host.meter import Meter
from streams.host.outputs import Outputs, refused
from streams.host.owned import Owned
from streams.host.restore import Restorer, Takeover
from streams.host.retries import RetryReader
from streams.host.schema_ids import SchemaIds
from streams.host.standing import Standing

_log = structlog.get_logger()
_RETAKES: Final = 3
"""Times, soon after one another, that what is assigned to us is taken back from who fenced us."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How a worker behaves in its group; seconds."""

    snapshot_every: float = 1.0
    advance_every: float = 1.0
    session_timeout: float = 8.0
    heartbeat: float = 0.4
    max_records: int = 2000
    """In one fetched batch."""
    retake_after: float = 8.0
    """Between being fenced without a rebalance and taking over what is still assigned to us."""
    stalled_after: float = 45.0
    """Without a batch although there are records, until the worker gives its place to a new one;
    longer than a rebalance may take."""
    stop_within: float = 3.5
    """For handing over at a stop while Kafka does not answer."""


class Host:
    """Owns partitions between two rebalances; everything here runs on the event loop.

    Args:
        processor: What is run.
        plant: Where Kafka and the registry are, and the environment's name.
        status: What people are told.
        settings: How the worker behaves.
        encoders: Make messages of results.
        registry: Gives the schemas of what is read.
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
        self.describer = Describer(plant.kafka)
        self.standing = Standing(processor.name, status)
        self.outputs = Outputs(plant.kafka, f"{plant.environment}-{processor.name}")
        self.owned: dict[int, Owned] = {}
        self.term = 0
        """Counts hand-overs; a batch that was fetched in another term is not taken."""
        self.meter = Meter(self.name, clock)
        self.intake = Intake(self, SchemaIds(registry), status, clock)
        self.status = status
        self._clock = clock
        self._executor: Executor = ThreadPoolExecutor(plant.kafka.partitions + 1, "snapshots")
        self._opening: Executor = ThreadPoolExecutor(plant.kafka.partitions, "restore")
        self._retries = RetryReader(plant.kafka, processor.name)
        self._commands = Commands(plant.kafka, processor.control_topic)
        self._obeyed = Control()
        self._guard = TopicGuard(self.describer)
        self._durable: dict[Place, int] = {}
        self._taking = asyncio.Lock()
        self._fenced_since: float | None = None
        self._astray = False
        self._retakes: list[float] = []
        self._patience = max(60.0, 5 * _RETAKES * settings.retake_after)
        self._restorer = Restorer(
            processor, plant.kafka, plant.environment, encoders, self.meter.observer,
            self._guard, self.describer, self._opening,
        )  # fmt: skip

    # What the transport asks.

    def resume_offsets(self) -> Mapping[Place, int]:
        """The next offset of each topic's owned partitions."""
        return {
            (topic, number): one.next_offset
            for number, owned in self.owned.items()
            for topic, one in owned.partition.inputs.items()
        }

    def durable_offsets(self) -> Mapping[Place, int]:
        """The next offset of each topic's partition that the stored state covers."""
        return self._durable

    async def hand_over(self) -> None:
        """Store the state of all partitions and forget them."""
        self.status.ready = False
        self.term += 1
        owned, self.owned = self.owned, {}
        await asyncio.gather(*(self._hand_over(number, one) for number, one in owned.items()))

    async def _hand_over(self, number: int, owned: Owned) -> None:
        await self._snapshot(number, owned)
        await owned.close()
        self.meter.released(number)

    def nothing_in(self, place: Place, start: int, end: int) -> None:
        """Go past offsets that are no records, once what is before them is processed."""
        topic, number = place
        if number in self.owned:
            self.owned[number].partition.nothing_in(topic, start, end)

    def astray(self, error: str) -> None:
        """Take over anew, which tells what became of the topic: expired, or another one."""
        if not self._astray:
            _log.error("the topic does not have the next offset", error=error)
        self._astray = True

    # Restore.

    async def restore(self, partitions: list[int], wanted: Callable[[], bool]) -> None:
        """Take over what was assigned; gives up when the assignment is no longer `wanted()`."""
        async with self._taking:
            await self.hand_over()
            self._durable, self._fenced_since, self._astray = {}, None, False
            self.standing.clear()
            while wanted() and not await asyncio.to_thread(self._commands.known.wait, 1.0):
                self.status.note(last_error="Kafka does not say yet what is commanded")
            self._obeyed = self._commands.current
            if self._obeyed.parked is not None:
                self.standing.command(partitions, self._obeyed.parked.reason)
            else:
                await self._take_over(partitions, wanted)

    async def _take_over(self, partitions: list[int], wanted: Callable[[], bool]) -> None:
        begun, backoff = time.monotonic(), Backoff()
        while wanted():
            try:
                takeover = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._restorer.take, partitions, self._obeyed, wanted
                )
            except KafkaUnavailableError as error:
                _log.warning("state not restored yet", error=str(error))
                self.status.note(last_error=str(error))
                await asyncio.sleep(backoff.next())
                continue
            if not wanted():
                await asyncio.to_thread(takeover.close)
                return
            self._own(takeover)
            seconds = time.monotonic() - begun
            metrics.RESTORE_SECONDS.labels(self.name).set(seconds)
            offsets = {f"{t}[{n}]": offset for (t, n), offset in self.resume_offsets().items()}
            _log.info("restored", seconds=seconds, offsets=offsets)
            return

    def _own(self, takeover: Takeover) -> None:
        for number, taken in takeover.taken.items():
            try:
                self.owned[number] = Owned(taken, self.outputs, self._guard, self._executor)
            except KafkaException as failure:
                if (parked := refused(failure, number)) is None:
                    raise
                takeover.refused[number] = parked
                self._executor.submit(taken.store.close)
                continue
            self.meter.owned(number, taken.partition)
            if taken.lost:
                metrics.LOST.labels(self.name).inc(taken.lost)
                _log.error("records expired unread", partition=number, records=taken.lost)
        for number, error in takeover.refused.items():
            self.standing.add(number, error)
        if not takeover.refused:
            self.status.ready = True

    @property
    def taking_over(self) -> bool:
        """Whether states are being restored."""
        return self._taking.locked()

    def due(self) -> bool:
        """Whether the partitions should be taken over anew, though their assignment is the same.

        Raises:
            ConfigurationError: Another deployment takes them from us again and again.
        """
        if self._commands.current != self._obeyed or self._astray:
            return True
        since = self._fenced_since
        if since is None or time.monotonic() - since < self.settings.retake_after:
            return False  # a rebalance may explain it
        self._retakes = [at for at in self._retakes if time.monotonic() - at < self._patience]
        self._retakes.append(time.monotonic())
        if len(self._retakes) > _RETAKES:
            msg = "another deployment takes over the partitions that our group assigns to us"
            raise ConfigurationError(
                msg, where=self.name, remedy="stop it, or give it another 'environment'"
            )
        return True

    # Regular work.

    async def retry(self) -> None:
        """Take dead letters again that people put back."""
        await self.intake.retry(self._retries)

    async def snapshot(self) -> None:
        """Store what changed in all partitions."""
        await asyncio.gather(
            *(self._snapshot(number, owned) for number, owned in list(self.owned.items()))
        )
        self.meter.report(self.owned)

    async def _snapshot(self, number: int, owned: Owned) -> None:
        begun = time.monotonic()
        try:
            offsets = await owned.snapshot()
        except FencedError as error:
            self.drop(number, owned)
            self._fenced(number, error)
        except KafkaUnavailableError as error:
            _log.warning("snapshot not stored", partition=number, error=str(error))
            self.status.note(last_error=str(error))
        except StateError as error:
            self.drop(number, owned)
            self.standing.add(number, error)
            await owned.close()
        except KafkaException as failure:
            if (parked := refused(failure, number)) is None:
                self.drop(number, owned)
                raise
            await self.park(number, owned, parked)
        else:
            if offsets is not None:
                self._durable |= {(topic, number): offset for topic, offset in offsets.items()}
                metrics.SNAPSHOTS.labels(self.name).inc()
                metrics.SNAPSHOT_SECONDS.labels(self.name).observe(time.monotonic() - begun)

    def _fenced(self, number: int, error: FencedError) -> None:
        self._fenced_since = self._fenced_since or time.monotonic()
        metrics.FENCED.labels(self.name).inc()
        _log.warning("fenced", partition=number, error=str(error))

    async def park(self, number: int, owned: Owned, error: PenstockError) -> None:
        """Let a partition stand still, also for who takes it over, until it is resumed."""
        self.drop(number, owned)
        self.standing.add(number, error)
        try:
            await owned.park(Parked(str(error), self._clock()))
        except FencedError as fenced:
            self._fenced(number, fenced)
        except KafkaUnavailableError as unavailable:
            _log.warning(
                "that it is parked is not stored", partition=number, error=str(unavailable)
            )

    def drop(self, number: int, owned: Owned) -> None:
        """Forget a partition whose state is not to be stored."""
        if self.owned.get(number) is owned:
            del self.owned[number]
            self.meter.released(number)
        for topic in owned.partition.inputs:
            self._durable.pop((topic, number), None)

    def close(self) -> None:
        """Let go of Kafka."""
        self._commands.close()
        self._retries.close()
        self.outputs.close()
        self._executor.shutdown(wait=False)
        self._opening.shutdown(wait=False)
