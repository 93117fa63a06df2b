"""Decides on dead letters, once: in transactions, so that none is put back twice."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaException, Producer

from penstock import components
from penstock.dlq.letters import Choice, Letter, read_letters
from penstock.errors import ConfigurationError, KafkaUnavailableError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.dead_letters import ACTION, DROP, RETRY
from penstock.kafka.topics import retries
from penstock.settings.plant import Plant
from penstock.state.fencing import let_go, open_producer

_AT_ONCE: Final = 500
"""Letters of one transaction."""
_COMMIT_SECONDS: Final = 30.0


def retry(plant: Plant, topic: str, choice: Choice) -> list[Letter]:
    """Have components take letters again that they buried.

    Returns:
        Those that are put back.

    Raises:
        ConfigurationError: A component cannot take letters again.
        KafkaUnavailableError: Kafka does not answer; what was put back stays so.
    """
    return _settle(plant, topic, choice, RETRY)


def drop(plant: Plant, topic: str, choice: Choice) -> list[Letter]:
    """Close letters for good; they stay in their topic as long as that keeps them.

    Returns:
        Those that are dropped.

    Raises:
        KafkaUnavailableError: Kafka does not answer; what was dropped stays so.
    """
    return _settle(plant, topic, choice, DROP)


def _settle(plant: Plant, topic: str, choice: Choice, action: str) -> list[Letter]:
    """Only with all others fenced, what is open is final."""
    target = retries(topic).name
    ensure_topics(plant.kafka, [retries(topic)])
    producer = open_producer(plant.kafka, f"{plant.environment}-dlq-{topic}", target)
    try:
        letters = read_letters(plant.kafka, topic, choice)
        if action == RETRY:
            for component in {letter.origin.component for letter in letters}:
                _check(plant, component)
        for first in range(0, len(letters), _AT_ONCE):
            _write(producer, target, letters[first : first + _AT_ONCE], action)
    finally:
        let_go(producer)
    return letters


def _write(producer: Producer, target: str, letters: Sequence[Letter], action: str) -> None:
    try:
        producer.begin_transaction()
        for letter in letters:
            producer.produce(
                target,
                letter.value if action == RETRY else None,
                letter.key,
                partition=letter.origin.partition,
                headers=[*letter.headers, (ACTION, action.encode())],
            )
        producer.commit_transaction(_COMMIT_SECONDS)
    except (KafkaException, BufferError) as failure:
        msg = f"{len(letters)} dead letters are not settled: {failure}"
        raise KafkaUnavailableError(
            msg, where=target, remedy="give the command again: what is done stays done"
        ) from failure


def _check(plant: Plant, component: str) -> None:
    """See that a component is there to take letters again.

    Raises:
        ConfigurationError: It is not.
    """
    if component in components.names("processors"):
        return
    if component not in plant.sinks:
        msg = f"neither a processor nor a sink of the configuration is named {component!r}"
        known = ", ".join(sorted({*components.names("processors"), *plant.sinks}))
        raise ConfigurationError(
            msg, remedy=f"give the configuration that it ran with; this one has: {known}"
        )
    kind = plant.sinks[component].type
    if not components.load("sinks", kind).retries:
        msg = f"the sink {component!r} (type {kind}) cannot take dead letters again"
        raise ConfigurationError(
            msg, remedy="drop them, or choose another component's with --component"
        )
