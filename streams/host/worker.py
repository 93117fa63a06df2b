"""Runs a host from its start to its stop."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Final

import faust
import structlog

from penstock.errors import KafkaUnavailableError, PenstockError
from penstock.health import Status
from penstock.kafka import cloud_events, topics
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.memory import collect_rarely, keep_freed
from penstock.processor import Processor
from penstock.runtime.backoff import Backoff
from penstock.settings.plant import Plant
from streams.host.app import build_app
from streams.host.encoders import Encoders
from streams.host.host import Host, HostSettings
from streams.host.topics import check_topics

_log = structlog.get_logger()
_STOP_MOST: Final = 15.0
"""Seconds that a stop may take while Kafka answers."""


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
        ConfigurationError: Another deployment with the same names is at work.
        StalledError: The worker gets no batches although there are records.
        Exception: What made the worker stop; its state is as of the last snapshot.
    """
    keep_freed()
    collect_rarely()
    asyncio.run(_serve(processor, plant, status, data_dir, settings or HostSettings()))


async def _serve(
    processor: Processor, plant: Plant, status: Status, data_dir: Path, settings: HostSettings
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    registry = Registry(plant.registry)
    encoders = await _prepare(processor, plant, registry, status, stopping)
    if encoders is None:
        return
    host = Host(processor, plant, status, settings, encoders, registry)
    app = build_app(processor, plant, host, data_dir)
    try:
        await app.start()
        await app.wait(stopping.wait())
        _log.info("stopping", crashed=repr(app.crash_reason) if app.crash_reason else None)
        _leave_in_time(app, plant, processor.topics[0], settings.stop_within)
        await app.stop()
    finally:
        host.close()
        registry.close()
    if app.crash_reason is not None:
        raise app.crash_reason


async def _prepare(
    processor: Processor,
    plant: Plant,
    registry: Registry,
    status: Status,
    stopping: asyncio.Event,
) -> Encoders | None:
    """Check the topics, register what is written; None when stopped before that was done."""
    backoff = Backoff()
    while not stopping.is_set():
        try:
            await asyncio.to_thread(check_topics, processor, plant.kafka)
            result = await asyncio.to_thread(registry.register, processor.writes, processor.record)
            late = {
                topic: await asyncio.to_thread(registry.register, topics.late(topic).name, record)
                for topic, record in processor.reads
            }
        except PenstockError as error:
            if not error.transient:
                raise
            status.note(last_error=str(error))
            _log.warning("waiting for Kafka or the registry", error=str(error))
            await asyncio.sleep(backoff.next())
            continue
        return Encoders(processor, result, late, cloud_events.source(plant, processor.name))
    return None


def _leave_in_time(app: faust.App, plant: Plant, topic: str, seconds: float) -> None:
    """End the process without handing over if Kafka does not answer: nothing is lost by it.

    Kafka's clients wait for an answer far longer than who stops a process does.
    """
    code = 1 if app.crash_reason is not None else 0

    def leave() -> None:
        begun = time.monotonic()
        time.sleep(seconds)
        try:
            Describer(plant.kafka, timeout=1.0).topic(topic)
        except KafkaUnavailableError:
            pass
        except PenstockError:
            return
        else:
            time.sleep(max(0.0, _STOP_MOST - (time.monotonic() - begun)))
        _log.error("not handed over in time; the next worker goes on from the last snapshot")
        os._exit(code)

    threading.Thread(target=leave, name="leave", daemon=True).start()
