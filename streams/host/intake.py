"""Takes fetched batches into the partitions' operators; knows when one has to wait."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import structlog
from confluent_kafka import KafkaException

from penstock.clock import Clock
from penstock.codec.batches import Schemas
from penstock.errors import (
    ParkedError,
    PenstockError,
    RegistryUnavailableError,
)
from penstock.health import Status
from penstock.runtime.backoff import Backoff
from streams.host.meter import Meter
from streams.host.outputs import Outgoing, Outputs, refused
from streams.host.owned import Owned
from streams.host.partition import Partition
from streams.host.record import Retried
from streams.host.retries import RetryReader
from streams.host.schema_ids import SchemaIds, schema_ids

_log = structlog.get_logger()
_WAIT: Final = 0.02
"""Seconds between two looks at a full producer."""


class Keeper(Protocol):
    """What the intake asks of the host."""

    owned: dict[int, Owned]
    outputs: Outputs
    meter: Meter
    term: int

    async def park(self, number: int, owned: Owned, error: PenstockError) -> None:
        """Let a partition stand still."""

    def drop(self, number: int, owned: Owned) -> None:
        """Forget a partition whose state is not to be stored."""


class Intake:
    """Everything here runs on the event loop.

    Args:
        keeper: Has the partitions.
        schemas: Of what is read.
        status: What people are told.
        clock: For `advance`.
    """

    def __init__(self, keeper: Keeper, schemas: SchemaIds, status: Status, clock: Clock) -> None:
        self._keeper = keeper
        self._schemas = schemas
        self._status = status
        self._clock = clock

    async def take(self, topic: str, number: int, term: int, records: list[Any]) -> bool:
        """Process a fetched batch; False if the topic's partition must stand still.

        Raises:
            KafkaException: An output cannot be published by now.
        """
        while self._full(number):
            await asyncio.sleep(_WAIT)
        owned = self._keeper.owned.get(number)
        if term != self._keeper.term:
            return True  # fetched before a rebalance; its owner reads it again
        if owned is None:
            return False  # fenced or parked
        if owned.backlog or not self._schemas.known(schema_ids(records)):
            owned.backlog.append((topic, records))
            return False
        work = partial(_process, topic, records, self._schemas.schemas)
        return await self._emit(number, owned, work)

    def _full(self, number: int) -> bool:
        owned = self._keeper.owned.get(number)
        return self._keeper.outputs.full or (owned is not None and owned.full)

    async def _emit(
        self, number: int, owned: Owned, work: Callable[[Partition], Sequence[Outgoing]]
    ) -> bool:
        """Publish what work on a partition gives; False if it is parked for it."""
        if self._keeper.owned.get(number) is not owned:
            return False
        try:
            owned.publish(work(owned.partition))
        except ParkedError as error:
            await self._keeper.park(number, owned, error)
            return False
        except KafkaException as failure:
            if (parked := refused(failure, number)) is None:
                self._keeper.drop(number, owned)
                raise
            await self._keeper.park(number, owned, parked)
            return False
        except BaseException:
            self._keeper.drop(number, owned)  # its state is ahead of what is published
            raise
        self._keeper.meter.processed(number)
        return True

    def waits(self, number: int) -> bool:
        """Whether a partition has batches that wait for a schema."""
        owned = self._keeper.owned.get(number)
        return owned is not None and bool(owned.backlog)

    async def catch_up(self, number: int) -> None:
        """Process a partition's backlog once the registry answers; keeps asking until then."""
        owned = self._keeper.owned.get(number)
        backoff = Backoff()
        while owned is not None and owned.backlog and self._keeper.owned.get(number) is owned:
            topic, records = owned.backlog[0]
            try:
                schemas = await self._schemas.resolve(schema_ids(records))
            except RegistryUnavailableError as error:
                _log.warning("waiting for a schema", partition=number, error=str(error))
                self._status.note(last_error=str(error))
                await asyncio.sleep(backoff.next())
                continue
            owned.backlog.popleft()
            await self._emit(number, owned, partial(_process, topic, records, schemas))

    async def retry(self, reader: RetryReader) -> None:
        """Take dead letters again that people put back."""
        ready = {
            (topic, number): one.retry_offset
            for number, owned in self._keeper.owned.items()
            if owned.partition.takes_retries and not owned.backlog
            for topic, one in owned.partition.inputs.items()
        }
        term = self._keeper.term
        for (topic, number), found in (await asyncio.to_thread(reader.read, ready)).items():
            try:
                schemas = await self._schemas.resolve(schema_ids(found.letters))
            except RegistryUnavailableError as error:
                self._status.note(last_error=str(error))
                return  # they are read again
            owned = self._keeper.owned.get(number)
            if owned is None or term != self._keeper.term:
                return
            letters, after = found
            await self._emit(number, owned, partial(_retry, topic, letters, after, schemas))

    async def advance(self) -> None:
        """Let the operators emit what is due."""
        time_now = self._clock()
        for number, owned in list(self._keeper.owned.items()):
            await self._emit(number, owned, lambda one: one.advance(time_now))


def _process(
    topic: str, records: Sequence[Any], schemas: Schemas, partition: Partition
) -> Sequence[Outgoing]:
    return partition.process(topic, records, schemas)


def _retry(
    topic: str,
    letters: Sequence[Retried],
    retry_offset: int,
    schemas: Schemas,
    partition: Partition,
) -> Sequence[Outgoing]:
    return partition.retry(topic, letters, retry_offset, schemas)
