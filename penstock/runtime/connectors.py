"""Runs a connector for ever: starts it, reads, publishes, flags what is stale or cut off."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from penstock import metrics
from penstock.connector import Connector
from penstock.errors import DeviceError
from penstock.health import Status
from penstock.memory import collect_rarely
from penstock.quality import is_good
from penstock.runtime.backoff import Backoff
from penstock.runtime.freshness import Freshness
from penstock.runtime.lately import Lately
from penstock.runtime.publisher import Publisher
from penstock.units import microseconds

TICK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
UNDELIVERED_SECONDS: Final = 30.0
"""For which anything may wait for Kafka until the connector is not ready."""
MOST_TEXTS: Final = 20
"""Errors logged in a minute: texts may name a payload, and so differ each time."""


class ConnectorRunner:
    """One source's life.

    A lost link is flagged in the data (each tag's last value, `BadNoCommunication`), shown in
    `status`, and tried again with back-off and jitter until `stop`. What Kafka does not take waits;
    where anything has waited for `UNDELIVERED_SECONDS`, `status` is not ready.

    Args:
        connector: What reads the source.
        publisher: Where its samples go.
        status: What people are told.
        backoff: How long to wait between tries.
    """

    def __init__(
        self,
        connector: Connector,
        publisher: Publisher,
        status: Status,
        backoff: Backoff | None = None,
    ) -> None:
        self._connector = connector
        self._publisher = publisher
        self._status = status
        self._backoff = backoff or Backoff()
        self._freshness = Freshness(microseconds(connector.settings.stale_after))
        self._log = structlog.get_logger().bind(source=connector.name)
        self._meter = _MeterExport(connector)
        self._lately = Lately(MOST_TEXTS)
        self._linked = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Read until `stopping` is set, then send what is left.

        Raises:
            Exception: What ended the watch over stale tags, or the sending: it would go unseen.
        """
        ticks = asyncio.create_task(self._tick())
        stopped = asyncio.create_task(stopping.wait())
        ends: set[asyncio.Future[Any]] = {stopped, ticks, self._publisher.failed}
        try:
            while not any(end.done() for end in ends):
                session = asyncio.create_task(self._session())
                await asyncio.wait({session, *ends}, return_when=asyncio.FIRST_COMPLETED)
                await _cancel(session)
                if not any(end.done() for end in ends):
                    pause = self._backoff.next()
                    await asyncio.wait(ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for end in ends - {stopped}:
                if end.done():
                    end.result()
        finally:
            await _cancel(ticks)
            await _cancel(stopped)
            left = await self._publisher.drain(DRAIN_SECONDS)
            self._log.info("connector stopped", unacknowledged_samples=left)

    async def _session(self) -> None:
        """From start to the loss of the link; what a connector raises costs only its session."""
        try:
            await self._connector.start()
            self._connected()
            while True:
                batch = await self._connector.read()
                if not batch.historical:
                    self._freshness.heard(batch.samples, self._connector.clock())
                await self._publisher.add(batch.samples, batch.acknowledge)
                if any(is_good(sample.quality) for sample in batch.samples):
                    self._backoff.reset()
        except DeviceError as error:  # which the connector has counted
            self._lost(str(error))
        except Exception as error:
            self._log.exception("connector failed")
            metrics.CONNECTOR_ERRORS.labels(self._connector.name).inc()
            self._lost(f"{type(error).__name__}: {error}")
        finally:
            metrics.CONNECTOR_UP.labels(self._connector.name).set(0)
            self._linked = False
            self._judge()
            await self._stop()

    async def _stop(self) -> None:
        """Let go of the source, which may hang or raise although it should not."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._connector.stop()
        except Exception:
            self._log.exception("connector did not stop")

    def _connected(self) -> None:
        metrics.CONNECTOR_UP.labels(self._connector.name).set(1)
        metrics.CONNECTOR_CONNECTS.labels(self._connector.name).inc()
        self._linked = True
        self._judge()
        self._status.note(connected=True)
        self._log.info("connected")
        collect_rarely()  # A client has as many objects as it watches tags, and more.

    def _judge(self) -> None:
        """Ready is who reads its source and gets rid of what it reads."""
        waiting = self._publisher.undelivered_seconds
        self._status.ready = self._linked and waiting < UNDELIVERED_SECONDS
        self._status.note(undelivered_seconds=round(waiting, 1))

    def _lost(self, reason: str) -> None:
        self._export(reason)  # errors from before the loss, so that they do not hide it later
        self._status.note(connected=False, last_error=reason)
        self._log.warning("link lost", error=reason)
        self._publisher.put(self._freshness.cut_off(self._connector.clock()))

    async def _tick(self) -> None:
        try:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                self._watch()
        except Exception:
            self._log.exception("the watch over stale tags failed")
            raise

    def _watch(self) -> None:
        self._status.beat()
        self._judge()
        vouched = self._connector.meter.vouched
        flags = self._freshness.newly_stale(self._connector.clock(), vouched)
        if flags:
            self._log.warning("tags are stale", tags=len(flags))
            self._publisher.put(flags)
        metrics.CONNECTOR_STALE.labels(self._connector.name).set(self._freshness.stale)
        self._export()

    def _export(self, lost: str = "") -> None:
        """Carry over what the connector has counted, and show and log its last error if it is new.

        Args:
            lost: Why the link was lost, which is logged in any case.
        """
        if self._meter.export():
            error = self._connector.meter.last_error
            self._status.note(last_error=error)
            if error not in lost and self._lately.is_new(error, time.monotonic()):
                self._log.warning("source error", error=error)


class _MeterExport:
    """Carries what a connector counts of itself over to the metrics."""

    def __init__(self, connector: Connector) -> None:
        self._meter = connector.meter
        name = connector.name
        self._counters: dict[str, Callable[[float], None]] = {
            "requests": metrics.CONNECTOR_REQUESTS.labels(name).inc,
            "writes": metrics.CONNECTOR_WRITES.labels(name).inc,
            "rebirths": metrics.CONNECTOR_REBIRTHS.labels(name).inc,
            "bytes_received": metrics.CONNECTOR_BYTES.labels(name).inc,
            "errors": metrics.CONNECTOR_ERRORS.labels(name).inc,
            "missed": metrics.CONNECTOR_MISSED.labels(name).inc,
        }
        self._exported = dict.fromkeys(self._counters, 0)

    def export(self) -> bool:
        """Add what was counted since the last call; whether errors are among it."""
        errors = self._exported["errors"]
        for field, increase in self._counters.items():
            value = getattr(self._meter, field)
            increase(value - self._exported[field])
            self._exported[field] = value
        return self._exported["errors"] > errors


async def _cancel(task: asyncio.Task[object]) -> None:
    """Cancel until it has ended: `asyncio.wait_for` of Python 3.11 can swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=TICK_SECONDS)
    if not task.cancelled():
        task.exception()  # seen, so that asyncio does not complain of it
