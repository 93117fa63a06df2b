"""One component in the foreground: what `penstock work ROLE NAME` does."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import structlog

from penstock import components
from penstock.clock import now
from penstock.connector import Connector
from penstock.errors import PenstockError
from penstock.health import Status
from penstock.kafka.admin import ensure_topics
from penstock.kafka.producers import EventProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import CATALOG, SENSORS, Topic
from penstock.memory import collect_rarely
from penstock.runtime.backoff import Backoff
from penstock.runtime.catalogue import publish_catalogue
from penstock.runtime.connectors import ConnectorRunner
from penstock.runtime.process import Component, on_stop_signal
from penstock.runtime.publisher import Publisher
from penstock.runtime.sinks import SinkRunner
from penstock.runtime.topics import TOPICS_OF_CONNECTORS, topics_of_processor, topics_of_sink
from penstock.settings.plant import Plant

T = TypeVar("T")

HOST: Final = "faust"
"""The stream host that runs processors."""
CLOSE_SECONDS: Final = 1.0
"""For a producer that could not be drained before."""


def work(component: Component, plant: Plant, status: Status, data_dir: Path) -> None:
    """Run a component until SIGTERM or SIGINT.

    Args:
        component: Its role and its name in the configuration.
        plant: The configuration, which has the component.
        status: What people are told.
        data_dir: Folder for what the component must keep on disk.

    Raises:
        TopicError: A topic is not what its contract says.
    """
    run: dict[str, Callable[[str, Plant, Status, Path], None]] = {
        "connector": _connector,
        "processor": _processor,
        "sink": _sink,
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    run[component.role](component.name, plant, status, data_dir)


def _connector(name: str, plant: Plant, status: Status, _data_dir: Path) -> None:
    settings = plant.sources[name]
    tags = [
        tag.model_copy(update={"asset": plant.asset_path(tag.asset)})
        for tag in plant.tags.get(name, ())
    ]
    connector = components.load("connectors", settings.type)(name, settings, tags)
    asyncio.run(_serve(connector, plant, status))


async def _serve(connector: Connector, plant: Plant, status: Status) -> None:
    name = connector.name
    stopping, asked = asyncio.Event(), _StopFlag()

    def stop() -> None:
        asked.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    registry = Registry(plant.registry)
    ids = await asyncio.to_thread(_until_answered, lambda: _prepare(plant, registry), status, asked)
    if ids is None:
        return
    producer = EventProducer(plant.kafka, f"{plant.environment}-{name}")
    publisher = Publisher(name, f"{now():x}", ids[SENSORS.name], producer, now)
    catalogue = asyncio.create_task(
        publish_catalogue(producer, ids[CATALOG.name], name, connector.tags)
    )
    try:
        await ConnectorRunner(connector, publisher, status).run(stopping)
    finally:
        catalogue.cancel()
        producer.close(CLOSE_SECONDS)


def _processor(name: str, plant: Plant, status: Status, data_dir: Path) -> None:
    processor = components.load("processors", name)(plant)
    topics = topics_of_processor(processor)
    stopping = _stop_flag()
    if not _have_topics(plant, topics, status, stopping):
        return
    serve = components.load("hosts", HOST)
    serve(processor, plant=plant, status=status, data_dir=data_dir)


def _sink(name: str, plant: Plant, status: Status, _data_dir: Path) -> None:
    settings = plant.sinks[name]
    sink = components.load("sinks", settings.type)(name, settings, plant)
    topics = topics_of_sink(sink)
    stopping = _stop_flag()
    if not _have_topics(plant, topics, status, stopping):
        return
    collect_rarely()
    SinkRunner(sink, plant, Registry(plant.registry), status).run(stopping.is_set)


def _prepare(plant: Plant, registry: Registry) -> dict[str, int]:
    ensure_topics(plant.kafka, TOPICS_OF_CONNECTORS)
    return {
        topic.name: registry.register(topic.name, str(topic.record))
        for topic in TOPICS_OF_CONNECTORS
    }


class _StopFlag:
    """Set by the first stop signal; unlike threading's events it may be set by a handler."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


def _stop_flag() -> _StopFlag:
    flag = _StopFlag()
    on_stop_signal(flag.set)
    return flag


def _have_topics(
    plant: Plant, topics: Sequence[Topic], status: Status, stopping: _StopFlag
) -> bool:
    """Create and check topics, as soon as Kafka answers; False when stopped before."""

    def ensure() -> bool:
        ensure_topics(plant.kafka, topics)
        return True

    return _until_answered(ensure, status, stopping) is not None


def _until_answered(ask: Callable[[], T], status: Status, stopping: _StopFlag) -> T | None:
    """Ask Kafka or the registry until they answer; None when stopped before.

    What will not mend itself (a wrong partition count, an incompatible schema) is raised at once.
    """
    backoff = Backoff()
    while not stopping.is_set():
        try:
            answer = ask()
        except PenstockError as error:
            if not error.transient:
                raise
            status.note(last_error=str(error))
            structlog.get_logger().warning("waiting", error=str(error))
            _pause(backoff.next(), stopping)
        else:
            return None if stopping.is_set() else answer
    return None


def _pause(seconds: float, stopping: _StopFlag) -> None:
    deadline = time.monotonic() + seconds
    while not stopping.is_set() and time.monotonic() < deadline:
        time.sleep(0.1)
