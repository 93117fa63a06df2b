"""What each component must be allowed to do in Kafka, found from what it declares.

The least that suffices, in the words of Kafka's access lists: Read and Write imply Describe. Who
may create topics needs Create beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from penstock.console.reader import BACK
from penstock.kafka.topics import (
    ACKNOWLEDGEMENTS,
    RETRIES,
    SENSORS,
    Topic,
    dead_letters,
    late,
    retries,
)
from penstock.processor import Processor, chosen
from penstock.runtime.letters import topics_of
from penstock.runtime.topics import (
    TOPICS_OF_CONNECTORS,
    sinks_of,
    topics_of_plant,
    topics_of_processor,
    topics_of_sink,
)
from penstock.settings.plant import Plant
from penstock.sink import Sink

CONSOLE: Final = "console"
TOOLS: Final = "tools"
"""Who gives commands (`topics`, `streams`, `dlq`, `audit`, `selftest` …), by hand or in a job."""
BY_HAND: Final = "penstock-"
"""How the groups begin that nobody joins: readers whose partitions are assigned by hand."""

Resource = Literal["topic", "group", "transactionalId"]
Pattern = Literal["literal", "prefix"]


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """What is allowed on a resource, or on all whose names begin so."""

    resource: Resource
    name: str
    pattern: Pattern
    operations: tuple[str, ...]


class _Gathered:
    """Rights by resource, while they are gathered; begins with the look at the topics."""

    def __init__(self, topics: Iterable[Topic], create: bool) -> None:
        self._found: dict[tuple[Resource, str, Pattern], set[str]] = {}
        look = (
            ("Create", "Describe", "DescribeConfigs") if create else ("Describe", "DescribeConfigs")
        )
        self.topics((topic.name for topic in topics), *look)

    def topics(self, names: Iterable[str], *operations: str) -> None:
        for name in names:
            self.add("topic", name, "literal", *operations)

    def add(self, resource: Resource, name: str, pattern: Pattern, *operations: str) -> None:
        self._found.setdefault((resource, name, pattern), set()).update(operations)

    def rights(self) -> list[Right]:
        """In order, without what others imply."""
        return sorted(Right(*place, _least(found)) for place, found in self._found.items())


def _least(operations: set[str]) -> tuple[str, ...]:
    implied = {"Describe"} if operations & {"Read", "Write"} else set()
    return tuple(sorted(operations - implied))


def rights_of_connector(*, create: bool = False) -> list[Right]:
    """Of every connector."""
    found = _Gathered(TOPICS_OF_CONNECTORS, create)
    found.topics((topic.name for topic in TOPICS_OF_CONNECTORS), "Write")
    return found.rights()


def rights_of_processor(
    processor: Processor, environment: str, *, create: bool = False
) -> list[Right]:
    """Of a processor's workers; its host writes state in transactions, one id per partition."""
    name = f"{environment}-{processor.name}"
    found = _Gathered(topics_of_processor(processor), create)
    found.topics(processor.topics, "Read")
    found.topics([*map(_retries, processor.topics), processor.control_topic], "Read")
    found.topics([processor.writes, *map(_dead, processor.topics)], "Write")
    found.topics((late(topic, record).name for topic, record in processor.reads), "Write")
    found.topics([processor.state_topic], "Read", "Write")
    found.add("group", name, "literal", "Read")
    found.add("group", BY_HAND, "prefix", "Describe")
    found.add("transactionalId", f"{name}-", "prefix", "Write")
    return found.rights()


def rights_of_sink(sink: Sink, environment: str, *, create: bool = False) -> list[Right]:
    """Of a sink's processes."""
    name = f"{environment}-{sink.name}"
    found = _Gathered(topics_of_sink(sink), create)
    found.topics(topics_of(sink), "Read")
    found.topics(map(_dead, sink.topics), "Write")
    found.topics((topic.name for topic in sink.writes), "Write")
    found.add("group", name, "literal", "Read")
    if sink.transactional:
        found.add("group", f"{name}-", "prefix", "Read")
        found.add("transactionalId", f"{name}-", "prefix", "Write")
    return found.rights()


def rights_of_console(environment: str) -> list[Right]:
    """Of the web page, which reads only."""
    found = _Gathered((), create=False)
    found.topics(BACK, "Read")
    found.add("group", f"{environment}-{CONSOLE}-", "prefix", "Describe")
    return found.rights()


def rights_of_tools(plant: Plant, *, create: bool = False) -> list[Right]:
    """Of who gives commands: reads everything, writes what is commanded and taken again."""
    topics = topics_of_plant(plant)
    found = _Gathered(topics, create)
    found.topics((topic.name for topic in topics), "Read")
    found.topics((processor.control_topic for processor in chosen(plant)), "Write")
    found.topics((topic.name for topic in topics if topic.name.endswith(RETRIES)), "Write")
    found.topics([SENSORS.name, ACKNOWLEDGEMENTS.name], "Write")
    found.add("group", f"{plant.environment}-", "prefix", "Describe")
    found.add("group", BY_HAND, "prefix", "Describe")
    found.add("transactionalId", f"{plant.environment}-", "prefix", "Write")
    return found.rights()


def rights_of_plant(plant: Plant, *, create: bool = False) -> dict[str, list[Right]]:
    """Of all that a configuration runs, by role and name as `sink/lake`.

    Args:
        plant: The configuration.
        create: Whether components may create the topics that are missing.
    """
    connector = rights_of_connector(create=create)
    found = {f"connector/{name}": connector for name in sorted(plant.sources)}
    for processor in chosen(plant):
        found[f"processor/{processor.name}"] = rights_of_processor(
            processor, plant.environment, create=create
        )
    for sink in sinks_of(plant):
        found[f"sink/{sink.name}"] = rights_of_sink(sink, plant.environment, create=create)
    found[CONSOLE] = rights_of_console(plant.environment)
    return found | {TOOLS: rights_of_tools(plant, create=create)}


def _dead(topic: str) -> str:
    return dead_letters(topic).name


def _retries(topic: str) -> str:
    return retries(topic).name
