"""From samples to acknowledged Kafka messages: batched, bounded, in order per asset."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from penstock import metrics
from penstock.clock import Clock
from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.connector import Sample
from penstock.kafka.producers import EventProducer
from penstock.kafka.topics import SENSORS
from penstock.quality import is_good
from schemas import SensorEvent

FLUSH_SAMPLES: Final = 1_000
FLUSH_SECONDS: Final = 0.05
MOST_UNACKNOWLEDGED: Final = 50_000
"""Samples; beyond it reading stands still until Kafka acknowledges."""


@dataclass(slots=True)
class _Pending:
    samples: list[Sample]
    acknowledges: list[Callable[[], None]]


class Publisher:
    """Publishes one source's samples as SensorEvents.

    An event goes out once `FLUSH_SAMPLES` are there or `FLUSH_SECONDS` have passed. What Kafka
    refuses is sent again; what it has not acknowledged is bounded.

    Args:
        source: Name of the source.
        session: Changes whenever the connector's process starts.
        schema_id: Of SensorEvent in the registry.
        producer: Sends and acknowledges.
        clock: Gives the ingest time.
    """

    def __init__(
        self, source: str, session: str, schema_id: int, producer: EventProducer, clock: Clock
    ) -> None:
        self._source = source
        self._session = session
        self._schema_id = schema_id
        self._producer = producer
        self._clock = clock
        self._log = structlog.get_logger().bind(source=source)
        self._sequences: dict[str, int] = {}
        self._pending = _Pending([], [])
        self._timer: asyncio.TimerHandle | None = None
        self._unacknowledged = 0
        self._received = 0
        self._room = asyncio.Condition()
        self._tasks: dict[asyncio.Task[None], float] = {}
        """What Kafka has not acknowledged, and since when, oldest first."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Has an exception once something could not be sent for another reason than Kafka."""
        self._samples = metrics.CONNECTOR_SAMPLES.labels(source)
        self._events = metrics.CONNECTOR_EVENTS.labels(source)
        self._bad = metrics.CONNECTOR_BAD.labels(source)
        self._in_flight = metrics.CONNECTOR_IN_FLIGHT.labels(source)
        self._blocked = metrics.CONNECTOR_BLOCKED.labels(source)
        self._acknowledge = metrics.CONNECTOR_ACKNOWLEDGE.labels(source)

    async def add(
        self, samples: Sequence[Sample], acknowledge: Callable[[], None] | None = None
    ) -> None:
        """Take samples, as `put`; then wait while Kafka is behind."""
        self.put(samples, acknowledge)
        if self._unacknowledged >= MOST_UNACKNOWLEDGED:
            await self._wait_for_room()

    def put(self, samples: Sequence[Sample], acknowledge: Callable[[], None] | None = None) -> None:
        """Take samples at once; `acknowledge` is called when Kafka has all of them."""
        self._received = self._clock()
        self._pending.samples.extend(samples)
        if acknowledge is not None:
            self._pending.acknowledges.append(acknowledge)
        self._unacknowledged += len(samples)
        self._in_flight.set(self._unacknowledged)
        if len(self._pending.samples) >= FLUSH_SAMPLES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Send what is pending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, _Pending([], [])
        if not pending.samples and not pending.acknowledges:
            return
        task = asyncio.get_running_loop().create_task(self._send(pending))
        self._tasks[task] = time.monotonic()
        task.add_done_callback(self._sent)

    @property
    def undelivered_seconds(self) -> float:
        """For how long the oldest samples have been waiting for Kafka's acknowledgement."""
        oldest = next(iter(self._tasks.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def drain(self, timeout: float) -> int:
        """Send everything and wait; gives the number of samples left unacknowledged."""
        self.flush()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        return self._unacknowledged

    async def _wait_for_room(self) -> None:
        began = time.monotonic()
        self._log.warning(
            "reading stands still", error=f"{self._unacknowledged} samples wait for Kafka"
        )
        async with self._room:
            await self._room.wait_for(lambda: self._unacknowledged < MOST_UNACKNOWLEDGED)
        self._blocked.inc(time.monotonic() - began)
        self._log.info("reading goes on", seconds=round(time.monotonic() - began, 3))

    async def _send(self, pending: _Pending) -> None:
        messages = [
            (event.asset, frame(self._schema_id, encode(event)))
            for event in self._built(pending.samples)
        ]
        await asyncio.gather(*(self._deliver(asset, message) for asset, message in messages))
        self._samples.inc(len(pending.samples))
        self._events.inc(len(messages))
        self._bad.inc(sum(not is_good(sample.quality) for sample in pending.samples))
        async with self._room:
            self._unacknowledged -= len(pending.samples)
            self._room.notify_all()
        self._in_flight.set(self._unacknowledged)
        for acknowledge in pending.acknowledges:
            try:
                acknowledge()
            except Exception:
                self._log.exception("the connector failed at an acknowledgement")

    def _built(self, samples: Sequence[Sample]) -> Iterator[SensorEvent]:
        """Events of at most `FLUSH_SAMPLES`, however many a connector read at once."""
        for first in range(0, len(samples), FLUSH_SAMPLES):
            yield from build_events(
                samples[first : first + FLUSH_SAMPLES],
                source=self._source,
                session=self._session,
                sequences=self._sequences,
                ingest=self._received,
            )

    async def _deliver(self, asset: str, message: bytes) -> None:
        began = time.monotonic()
        await self._producer.deliver(SENSORS.name, asset, message)
        self._acknowledge.observe(time.monotonic() - began)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)
