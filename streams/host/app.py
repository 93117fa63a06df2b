"""The Faust app of a processor: the one place that knows Faust, with `transport`."""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from penstock.kafka.client import answer_seconds
from penstock.processor import Processor
from penstock.settings.plant import Plant
from streams.host import metrics
from streams.host.credentials import credentials
from streams.host.host import Host
from streams.host.transport import batch_transport
from streams.host.watchdog import Watchdog

_LOOK_AGAIN_MS = 3_000
"""Between two looks at which topics and partitions there are."""
_FETCH_BYTES = 4 << 20
"""Of a partition at a time, compressed; a worker that is behind so asks less often."""
_OBEY_SECONDS = 0.5
"""Between two looks at what is commanded."""


class _BatchSchema(faust.Schema[Any, Any]):
    """Hands records on as they are."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> faust.Event:
            return faust.Event(app, message.key, message.value, message.headers, message)

        return decode


def build_app(processor: Processor, plant: Plant, host: Host, data_dir: Path) -> faust.App:
    """The Faust app of a processor: one agent, fed in batches, and timers."""
    settings = host.settings
    app = faust.App(
        f"{plant.environment}-{processor.name}",
        broker=[f"kafka://{address}" for address in plant.kafka.bootstrap.split(",")],
        broker_credentials=credentials(plant.kafka),
        broker_session_timeout=settings.session_timeout,
        # Faust wants no less than the session's. To join the group may take longer, until all
        # members are there: who then asks again, under the same id, still is the same member.
        broker_request_timeout=max(answer_seconds(plant.kafka), settings.session_timeout),
        broker_heartbeat_interval=settings.heartbeat,
        broker_commit_interval=settings.snapshot_every,
        broker_max_poll_records=settings.max_records,
        consumer_max_fetch_size=_FETCH_BYTES,
        broker_rebalance_timeout=30.0,
        # A broker that just started may not know its topics yet; the group's leader then assigns
        # nothing, until it looks again.
        consumer_metadata_max_age_ms=_LOOK_AGAIN_MS,
        consumer_auto_offset_reset="none",  # never somewhere else in silence
        store="memory://",
        datadir=str(data_dir),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_buffer_maxsize=4,
    )
    app.transport = batch_transport(app, processor.topics, host, plant.kafka.options)
    topic = app.topic(*processor.topics, schema=_BatchSchema())
    app.agent(topic, name=processor.name)(_agent(app, host, processor.topics))
    assignment = _Assignment(app, host, processor.topics)
    watchdog = Watchdog(host, processor.topics, settings.stalled_after)
    timers: dict[Callable[[], Awaitable[None]], float] = {
        _snapshot_and_lag(app, host, processor): settings.snapshot_every,
        host.intake.advance: settings.advance_every,
        host.retry: settings.advance_every,
        assignment.take_again_if_due: _OBEY_SECONDS,
        lambda: watchdog.look(assignment.partitions()): settings.stalled_after / 4,
    }
    for work, seconds in timers.items():
        app.timer(seconds)(_guarded(app, work))
    connect: Any = app.on_rebalance_complete.connect  # its type wants an argument named `signal`
    connect(assignment.take, weak=False)
    return app


class _Assignment:
    """What the group assigns to this worker, and taking it over."""

    def __init__(self, app: faust.App, host: Host, topics: Sequence[str]) -> None:
        self._app = app
        self._host = host
        self._topics = frozenset(topics)

    def partitions(self) -> list[int]:
        """Of the topics that the processor reads; none while they are being taken over."""
        return [] if self._host.taking_over else self._assigned()

    def _flows(self) -> bool:
        consumer: Any = self._app.consumer  # its interface lacks the attribute
        return bool(consumer.flow_active)

    def _assigned(self) -> list[int]:
        assignment = self._app.consumer.assignment()
        return sorted({tp.partition for tp in assignment if tp.topic in self._topics})

    async def take(self, *_: Any, **__: Any) -> None:
        """Take the partitions of a new assignment over, before anything flows."""
        await self._host.restore(self._assigned(), self._same())

    async def take_again_if_due(self) -> None:
        """Take the same partitions over anew, as people command it or because we were fenced."""
        if not self._flows() or not self._host.due():
            return
        same = self._same()
        await self._host.restore(self._assigned(), same)
        if same():
            await self._app.consumer.perform_seek()

    def _same(self) -> Callable[[], bool]:
        """Tells whether the assignment of now still holds."""
        app, generation = self._app, self._app.consumer_generation_id
        return lambda: app.consumer_generation_id == generation and not app.should_stop


def _agent(app: faust.App, host: Host, topics: Sequence[str]) -> Any:
    catching_up: set[int] = set()

    async def catch_up(number: int) -> None:
        try:
            while host.intake.waits(number):  # after a rebalance another owner's may wait
                await host.intake.catch_up(number)
            if number in host.owned:
                app.consumer.resume_partitions({TP(topic, number) for topic in topics})
        except Exception as error:
            await app.crash(error)
        finally:
            catching_up.discard(number)

    async def agent(stream: faust.StreamT[Any]) -> None:
        async for event in _events(stream):
            message = event.message
            try:
                flows = await host.intake.take(message.topic, message.partition, *event.value)
            except Exception as error:  # Faust would skip the batch and go on
                await app.crash(error)
                return
            if not flows:
                app.consumer.pause_partitions({message.tp})
            if host.intake.waits(message.partition) and message.partition not in catching_up:
                catching_up.add(message.partition)
                app.add_future(catch_up(message.partition))

    return agent


def _events(stream: Any) -> AsyncIterable[Any]:
    events: AsyncIterable[Any] = stream.events()
    return events


def _guarded(app: faust.App, work: Callable[[], Awaitable[None]]) -> Any:
    async def timer() -> None:
        try:
            await work()
        except Exception as error:  # Faust would log it and go on
            await app.crash(error)

    return timer


def _snapshot_and_lag(
    app: faust.App, host: Host, processor: Processor
) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        host.status.beat()
        await host.snapshot()
        for (topic, number), offset in host.resume_offsets().items():
            with suppress(AssertionError, AttributeError):  # no longer assigned
                end = app.consumer.highwater(TP(topic, number))
                if end is not None:
                    lag = metrics.LAG.labels(processor.name, topic, str(number))
                    lag.set(max(0, end - offset))

    return work
