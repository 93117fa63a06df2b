"""The topics that components need, and those of a whole plant."""

from collections.abc import Iterable
from typing import Final

from penstock import components
from penstock.kafka.topics import (
    CATALOG,
    SENSORS,
    TOPICS,
    Topic,
    control,
    dead_letters,
    late,
    retries,
    state,
)
from penstock.processor import Processor, chosen
from penstock.settings.plant import Plant
from penstock.sink import Sink

TOPICS_OF_CONNECTORS: Final = (SENSORS, CATALOG)
"""What every connector writes."""
_KNOWN: Final = {topic.name: topic for topic in TOPICS}


def topics_of_processor(processor: Processor) -> list[Topic]:
    """The topics that a processor reads and writes, and those that it has beside them."""
    found = [*_known([*processor.topics, processor.writes])]
    found += [state(processor.state_topic), control(processor.control_topic)]
    for topic, record in processor.reads:
        found += [dead_letters(topic), retries(topic), late(topic, record)]
    return found


def topics_of_sink(sink: Sink) -> list[Topic]:
    """The topics that a sink reads and writes, and those that stand beside what it reads."""
    beside = [make(topic) for topic in sink.topics for make in (dead_letters, retries)]
    return [*_known(sink.topics), *beside, *sink.writes]


def sinks_of(plant: Plant) -> list[Sink]:
    """The sinks of a configuration."""
    return [
        components.load("sinks", settings.type)(name, settings, plant)
        for name, settings in plant.sinks.items()
    ]


def topics_of_plant(plant: Plant) -> list[Topic]:
    """All topics that a configuration needs, each once, by name."""
    found = list(TOPICS_OF_CONNECTORS)
    for processor in chosen(plant):
        found += topics_of_processor(processor)
    for sink in sinks_of(plant):
        found += topics_of_sink(sink)
    return sorted({topic.name: topic for topic in found}.values(), key=lambda topic: topic.name)


def _known(names: Iterable[str]) -> list[Topic]:
    """Those of the contract; of others nothing is agreed, and who brings them makes them."""
    return [_KNOWN[name] for name in names if name in _KNOWN]
