"""Faust's Kafka transport, changed to hand over one event per fetched partition batch.

Faust's cost is its bookkeeping per message; a batch of records pays it once. Faust's idea of what
is done (acknowledged messages, committed offsets, gaps) is replaced by the state that the host has
stored: a partition goes on from the offset in its state, and the group's committed offsets are for
lag tools only. Line numbers in comments are those of faust-streaming 0.15.3.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Protocol, cast

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message
from faust.types.tuples import ack_lock

from penstock.kafka.client import Place

_log = structlog.get_logger()

FETCH: Final = {"fetch.wait.max.ms": 50, "fetch.min.bytes": 16_384, "fetch.max.bytes": 8 << 20}
"""How long a broker may hold back an answer of how much, where the user does not say: many small
batches cost several times what few large do. Faust's 1500 ms delay the start by 1 s. The most has
to come within the time for an answer."""
_IDLE: Final = 0.05
"""Seconds between two looks at partitions that are all paused."""
_COMMIT_SECONDS: Final = 5.0


class Batch(NamedTuple):
    """What one fetch gave of a partition, and the keeper's term that it was fetched in."""

    term: int
    records: list[Any]


class StateKeeper(Protocol):
    """What the transport asks of the host; places are those of the topics it reads."""

    @property
    def term(self) -> int:
        """Counts hand-overs; a message that was fetched in another term is not taken."""

    def resume_offsets(self) -> Mapping[Place, int]:
        """The next offset of each topic's partition whose state is restored."""

    def durable_offsets(self) -> Mapping[Place, int]:
        """The next offset of each topic's partition that the stored state covers."""

    async def hand_over(self) -> None:
        """Store the state of all partitions and forget them."""

    def nothing_in(self, place: Place, start: int, end: int) -> None:
        """Hear that offsets from `start` to before `end` are no records."""

    def astray(self, error: str) -> None:
        """Hear that the topic does not have the offset that is next."""


def fetch(options: Mapping[str, str]) -> Mapping[str, int]:
    """`FETCH`, or what the user's `kafka.options` say instead."""
    return {name: int(options.get(name, usual)) for name, usual in FETCH.items()}


class _Fetched(dict[TP, list[Any]]):
    """The records of each partition.

    Attributes:
        seeks: How many there had been when the records were taken.
        positions: The next offset of each partition that was asked for.
    """

    seeks = 0
    positions: Mapping[TP, int] = MappingProxyType({})


class _NoOffsets(defaultdict[TP, int | None]):
    """Takes nothing in: Faust drops a message below the offset that it last read (1218)."""

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        """Forget it."""


class _Thread(driver.AIOKafkaConsumerThread):
    """The consumer's thread; seeks and fetches take turns on its event loop."""

    logger = driver.logger
    asked = 0
    """Seeks that were asked for, on the loop of the consumer's user."""
    seeks = 0
    """Those that have begun."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        fetch = cast("BatchConsumer", self.consumer).fetch
        consumer._fetch_max_wait_ms = fetch["fetch.wait.max.ms"]  # aiokafka.py:615 hard-codes it
        consumer._fetch_min_bytes = fetch["fetch.min.bytes"]
        consumer._fetch_max_bytes = fetch["fetch.max.bytes"]
        consumer._isolation_level = "read_committed"  # Faust ties it to its own transactions (571)
        return consumer

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.asked += 1
        await super().seek_wait(partitions)

    async def _seek_wait(self, consumer: AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        self.seeks += 1
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self, consumer: AIOKafkaConsumer, active_partitions: set[TP], *args: Any, **kwargs: Any
    ) -> _Fetched:
        fetched = _Fetched(
            await super()._fetch_records(consumer, active_partitions, *args, **kwargs)
        )
        # Nothing ran since the records were taken.
        fetched.seeks = self.seeks
        fetched.positions = _positions(consumer, active_partitions)
        return fetched


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _positions(consumer: AIOKafkaConsumer, partitions: Iterable[TP]) -> dict[TP, int]:
    """The next offset of each partition that is assigned, and has one."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return {}
    states = {tp: subscription.assignment.state_value(tp) for tp in partitions}
    return {tp: one.position for tp, one in states.items() if one and one.has_valid_position}


class BatchConsumer(driver.Consumer):
    """A consumer whose messages hold a `Batch` of a partition's records as their value."""

    logger = driver.logger
    keeper: ClassVar[StateKeeper]
    fetch: ClassVar[Mapping[str, int]]
    topics: ClassVar[frozenset[str]]
    _thread: _Thread
    _term = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NoOffsets(lambda: None)
        self._positions: dict[TP, int] = {}
        """The next offset of each partition after what was fetched of it."""

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """One message per partition, at the offset of its last record (consumer.py:693).

        aiokafka has moved past what it gave us, so a batch may only be dropped if a seek came
        after it, which reads it again. No other sign will do: a fetch may wait all through a
        rebalance and be answered after its seek, and a partition may be paused meanwhile.
        """
        fetched = await self._fetch(timeout)
        if fetched.seeks == self._thread.asked:
            self._tell_of_gaps(fetched)
        for tp, batch in fetched.items():
            while not self.flow_active and not self.should_stop:
                await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # consumer.py:790
            if self.should_stop or fetched.seeks != self._thread.asked:
                return
            if batch:
                message: Any = self._to_message(tp, batch[-1])
                message.value = Batch(self._term, batch)
                yield tp, message

    async def _fetch(self, timeout: float) -> _Fetched:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # consumer.py:790
        active = set(self._get_active_partitions())
        if not active:  # an empty set would mean all partitions to aiokafka
            await asyncio.sleep(_IDLE)
            return _Fetched()
        try:
            return cast(_Fetched, await self._getmany(active_partitions=active, timeout=timeout))
        except OffsetOutOfRangeError as error:
            self.keeper.astray(repr(error))
        except NoOffsetForPartitionError:
            # aiokafka looks for a committed offset as soon as it is assigned a partition; where
            # there is none, it says so in the next fetch, though the seek comes, or has come.
            _log.debug("a partition was fetched before its seek")
        await asyncio.sleep(_IDLE)
        return _Fetched()

    def _tell_of_gaps(self, fetched: _Fetched) -> None:
        """Offsets that are no records: ends of transactions, aborted ones, what was compacted."""
        for tp, position in fetched.positions.items():
            records = fetched.get(tp)
            reached = records[-1].offset + 1 if records else self._positions.get(tp, position)
            if reached < position:
                self.keeper.nothing_in((tp.topic, tp.partition), reached, position)
            self._positions[tp] = position

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """An offset's jump is the length of a batch, no gap (consumer.py:1157)."""

    def ack(self, message: Message) -> bool:
        """Acknowledged is not processed, let alone stored: only count the message out (825)."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            return True

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        durable = {TP(*place): offset for place, offset in self.keeper.durable_offsets().items()}
        return {tp: offset for tp, offset in durable.items() if self._should_commit(tp, offset)}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit for display; a failure is worth a line, the next commit makes it good."""
        consumer = self._thread._ensure_consumer()
        wanted = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
        }
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._thread.call_thread(consumer.commit, wanted)
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            if _is_cancelled():
                raise
            # A thread that stops cancels what it was asked, and that comes back to who asked.
            _log.info("offsets not committed for display", error=repr(error))
            return False
        return True

    async def wait_empty(self) -> None:
        """Let go of all partitions; revoking and stopping both pass here (867)."""
        await self.keeper.hand_over()
        await self.commit()

    async def perform_seek(self) -> None:
        """Go on where the restored states end; what has no state stands still (565)."""
        self._term, resume = self.keeper.term, self.keeper.resume_offsets()
        assigned = {tp for tp in self.assignment() if tp.topic in self.topics}
        offsets = {tp: resume[tp] for tp in assigned if tp in resume}
        self._positions = dict(offsets)
        self.pause_partitions(assigned - offsets.keys())
        await self._thread.seek_wait(offsets)
        self.resume_partitions(offsets)
        self._committed_offset.update(dict.fromkeys(offsets))

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watchdog judges by acknowledged offsets, which say nothing here."""


def batch_transport(
    app: AppT, topics: Iterable[str], keeper: StateKeeper, options: Mapping[str, str]
) -> driver.Transport:
    """The transport for one app, to be set as `app.transport`.

    It is set rather than registered as an entry point of `faust.transports`: it belongs to one
    host's state, and no other Faust app of the installation should find it by its URL's scheme.

    Args:
        app: The app.
        topics: Those that it reads.
        keeper: Of its state.
        options: The user's `kafka.options`, of which those in `FETCH` count.
    """
    names = {"keeper": keeper, "topics": frozenset(topics), "fetch": fetch(options)}
    consumer = type("BatchConsumer", (BatchConsumer,), names)

    class _Transport(driver.Transport):
        Consumer = consumer

    return _Transport(app.conf.broker_consumer, app)
