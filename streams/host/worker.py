"""Runs a host inside a Faust app: the one place that knows Faust, with `transport`."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import faust
import structlog
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import TP

from penstock.errors import PenstockError
from penstock.health import Status
from penstock.kafka import topics
from penstock.kafka.registry import Registry
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings, Plant
from streams.host import metrics
from streams.host.host import RETRY_SECONDS, Host, HostSettings
from streams.host.partition import Encoders
from streams.host.transport import batch_transport

_log = structlog.get_logger()


def serve(
    processor: Processor,
    *,
    plant: Plant,
    status: Status,
    data_dir: Path,
    settings: HostSettings | None = None,
) -> None:
    """Run a processor until SIGTERM or SIGINT; its topics exist.

    Args:
        processor: What to run.
        plant: Where Kafka and the registry are.
        status: Is told whether the worker is ready, and why not.
        data_dir: Folder for the little that Faust keeps on disk.
        settings: How the worker behaves in its group.

    Raises:
        FencedError: Another deployment with the same names is at work.
        Exception: What made the worker stop; its state is as of the last snapshot.
    """
    asyncio.run(_serve(processor, plant, status, data_dir, settings or HostSettings()))


async def _serve(
    processor: Processor, plant: Plant, status: Status, data_dir: Path, settings: HostSettings
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    registry = Registry(plant.registry)
    encoders = await _encoders(processor, registry, status, stopping)
    if encoders is None:
        return
    host = Host(processor, plant, status, settings, encoders, registry)
    app = build_app(processor, plant, host, data_dir)
    try:
        await app.start()
        await app.wait(stopping.wait())
        _log.info("stopping", crashed=repr(app.crash_reason) if app.crash_reason else None)
        await app.stop()
    finally:
        host.close()
        registry.close()
    if app.crash_reason is not None:
        raise app.crash_reason


async def _encoders(
    processor: Processor, registry: Registry, status: Status, stopping: asyncio.Event
) -> Encoders | None:
    """Register what is written; None when stopped before the registry answered."""
    while not stopping.is_set():
        try:
            result = await asyncio.to_thread(registry.register, processor.writes, processor.record)
            late = await asyncio.to_thread(
                registry.register, topics.late(processor.reads).name, "SensorEvent"
            )
        except PenstockError as error:
            if not error.transient:
                raise
            status.note(last_error=str(error))
            _log.warning("waiting for the registry", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            continue
        return Encoders(processor, result, late)
    return None


class _BatchSchema(faust.Schema[Any, Any]):
    """Hands records on as they are."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> faust.Event:
            return faust.Event(app, message.key, message.value, message.headers, message)

        return decode


def build_app(processor: Processor, plant: Plant, host: Host, data_dir: Path) -> faust.App:
    """The Faust app of a processor: one agent, fed in batches, and two timers."""
    settings = host.settings
    app = faust.App(
        f"{plant.environment}-{processor.name}",
        broker=[f"kafka://{address}" for address in plant.kafka.bootstrap.split(",")],
        broker_credentials=credentials(plant.kafka),
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.heartbeat,
        broker_commit_interval=settings.snapshot_every,
        broker_max_poll_records=settings.max_records,
        broker_rebalance_timeout=30.0,
        consumer_auto_offset_reset="none",  # never somewhere else in silence
        store="memory://",
        datadir=str(data_dir),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_buffer_maxsize=4,
    )
    app.transport = batch_transport(app, processor.reads, host)
    topic = app.topic(processor.reads, schema=_BatchSchema())
    app.agent(topic, name=processor.name)(_agent(app, host, processor.reads))
    app.timer(settings.snapshot_every)(_guarded(app, _snapshot_and_lag(app, host, processor)))
    app.timer(settings.advance_every)(_guarded(app, _advance(host)))

    async def restore(*_: Any, **__: Any) -> None:
        generation = app.consumer_generation_id
        assigned = sorted(
            tp.partition for tp in app.consumer.assignment() if tp.topic == processor.reads
        )
        await host.restore(
            assigned,
            generation,
            lambda: app.consumer_generation_id == generation and not app.should_stop,
        )

    connect: Any = app.on_rebalance_complete.connect  # its type wants an argument named `signal`
    connect(restore, weak=False)
    return app


def _agent(app: faust.App, host: Host, topic: str) -> Any:
    catching_up: set[int] = set()

    async def catch_up(number: int) -> None:
        try:
            await host.catch_up(number)
            if number in host.resume_offsets():
                app.consumer.resume_partitions({TP(topic, number)})
        except Exception as error:
            await app.crash(error)
        finally:
            catching_up.discard(number)

    async def agent(stream: faust.StreamT[Any]) -> None:
        async for event in _events(stream):
            message = event.message
            try:
                flows = await host.take(message.partition, *event.value)
            except Exception as error:  # Faust would skip the batch and go on
                await app.crash(error)
                return
            if not flows:
                app.consumer.pause_partitions({message.tp})
            if host.waits(message.partition) and message.partition not in catching_up:
                catching_up.add(message.partition)
                app.add_future(catch_up(message.partition))

    return agent


def _events(stream: Any) -> AsyncIterable[Any]:
    events: AsyncIterable[Any] = stream.events()
    return events


def _guarded(app: faust.App, work: Any) -> Any:
    async def timer() -> None:
        try:
            await work()
        except Exception as error:  # Faust would log it and go on
            await app.crash(error)

    return timer


def _snapshot_and_lag(app: faust.App, host: Host, processor: Processor) -> Any:
    async def work() -> None:
        await host.snapshot()
        for number, offset in host.resume_offsets().items():
            with suppress(AssertionError, AttributeError):  # no longer assigned
                end = app.consumer.highwater(TP(processor.reads, number))
                if end is not None:
                    metrics.LAG.labels(processor.name, str(number)).set(max(0, end - offset))

    return work


def _advance(host: Host) -> Any:
    async def work() -> None:
        host.advance()

    return work


def credentials(settings: KafkaSettings) -> Any:
    """Kafka's security settings as Faust wants them; None for none."""
    context = None
    if settings.security in ("SSL", "SASL_SSL"):
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key)
        if settings.options.get("ssl.endpoint.identification.algorithm") == "none":
            context.check_hostname = False
    if settings.security.startswith("SASL"):
        password = settings.password.get_secret_value() if settings.password else None
        return SASLCredentials(
            username=settings.user,
            password=password,
            mechanism=settings.mechanism or "PLAIN",
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None
