"""Looks at a processor's topics at the start, and refuses those that it cannot work with."""

from collections.abc import Mapping
from typing import Final

import structlog

from penstock.errors import TopicError
from penstock.kafka.client import producer_options
from penstock.kafka.contracts import check_compacted
from penstock.kafka.describe import Describer, TopicFacts
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings
from streams.host import metrics

_log = structlog.get_logger()
_TWO: Final = 2


def check_topics(processor: Processor, settings: KafkaSettings) -> None:
    """Look at what is read, and at the state topic's settings; blocks.

    All topics that are read have as many partitions: one operator gets partition n of each.
    A snapshot survives the loss of a broker if two replicas had it before it counted: replication
    and `min.insync.replicas` of two or more, `acks=all`.

    Raises:
        TopicError: A topic is missing, those that are read do not go together, or the state topic
            deletes what it should keep.
        KafkaUnavailableError: No broker answers.
    """
    topic, describer = processor.state_topic, Describer(settings)
    check_together(describer.topics(processor.topics))
    facts, found = describer.topic(topic), describer.settings(topic)
    check_compacted(topic, found.get("cleanup.policy") or "")
    least = int(found.get("min.insync.replicas") or 1)
    acks = producer_options(settings)["acks"]
    safe = facts.replication >= _TWO and least >= _TWO and str(acks) in ("all", "-1")
    metrics.STATE_AT_RISK.labels(processor.name).set(not safe)
    say = _log.info if safe or settings.replication == 1 else _log.warning
    say(
        "state topic", topic=topic, replication=facts.replication, min_insync_replicas=least,
        acks=acks, survives_a_broker=safe,
    )  # fmt: skip


def check_together(facts: Mapping[str, TopicFacts]) -> None:
    """Refuse topics of different numbers of partitions.

    Raises:
        TopicError: They do not have as many.
    """
    counts = {name: found.partitions for name, found in facts.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        msg = f"topics that are read together have different numbers of partitions: {told}"
        raise TopicError(
            msg, where=max(counts, key=counts.__getitem__),
            remedy="create them anew with the same number, with the same key at the same place",
        )  # fmt: skip
