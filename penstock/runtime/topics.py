"""The topics that components need, and those of a whole plant."""

from collections.abc import Iterable

from penstock import components
from penstock.kafka.topics import TOPICS, Topic, control, dead_letters, late, retries, state
from penstock.processor import Processor, chosen
from penstock.settings.plant import Plant


def topics_of_processor(processor: Processor) -> list[Topic]:
    """The contract's topics, and those that a processor has beside them."""
    found = [*TOPICS, state(processor.state_topic), control(processor.control_topic)]
    for topic, record in processor.reads:
        found += [dead_letters(topic), retries(topic), late(topic, record)]
    return found


def topics_of_sink(topics: Iterable[str]) -> list[Topic]:
    """The contract's topics, and those that stand beside the ones that a sink reads."""
    return [*TOPICS, *(make(topic) for topic in topics for make in (dead_letters, retries))]


def topics_of_plant(plant: Plant) -> list[Topic]:
    """All topics that a configuration needs, each once, by name."""
    found = list(TOPICS)
    for processor in chosen(plant):
        found += topics_of_processor(processor)
    for name, settings in plant.sinks.items():
        sink = components.load("sinks", settings.type)(name, settings, plant)
        found += topics_of_sink(sink.topics)
    return sorted({topic.name: topic for topic in found}.values(), key=lambda topic: topic.name)
