"""States at the start how safe a processor's state is in Kafka, and refuses what loses it."""

from typing import Final

import structlog

from penstock.errors import TopicError
from penstock.kafka.client import producer_options
from penstock.kafka.describe import Describer
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings
from streams.host import metrics

_log = structlog.get_logger()
_TWO: Final = 2


def check_state_topic(processor: Processor, settings: KafkaSettings) -> None:
    """Look at the state topic's settings; blocks.

    A snapshot survives the loss of a broker if two replicas had it before it counted: replication
    and `min.insync.replicas` of two or more, `acks=all`.

    Raises:
        TopicError: The topic is missing, or deletes what it should keep.
        KafkaUnavailableError: No broker answers.
    """
    topic, describer = processor.state_topic, Describer(settings)
    facts, found = describer.topic(topic), describer.settings(topic)
    if "compact" not in (policy := found.get("cleanup.policy") or "") or "delete" in policy:
        msg = f"cleanup.policy is {policy!r}: Kafka would delete state that is still needed"
        raise TopicError(msg, where=topic, remedy="set cleanup.policy=compact")
    least = int(found.get("min.insync.replicas") or 1)
    acks = producer_options(settings)["acks"]
    safe = facts.replication >= _TWO and least >= _TWO and str(acks) in ("all", "-1")
    metrics.STATE_AT_RISK.labels(processor.name).set(not safe)
    say = _log.info if safe or settings.replication == 1 else _log.warning
    say(
        "state topic", topic=topic, replication=facts.replication, min_insync_replicas=least,
        acks=acks, survives_a_broker=safe,
    )  # fmt: skip
