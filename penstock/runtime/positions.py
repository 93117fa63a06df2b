"""Where a sink goes on reading a partition, and whether the log still has that."""

from typing import Final

import structlog
from confluent_kafka import Consumer, TopicPartition

from penstock.errors import TopicError
from penstock.kafka.log_bounds import log_bounds
from penstock.kafka.topic_ids import refuse_another
from penstock.sink import Sink

ASK_SECONDS: Final = 5.0
"""How long Kafka may take to answer where a partition begins and ends."""


def start_offset(consumer: Consumer, sink: Sink, topic: str, partition: int) -> tuple[int, int]:
    """Let the sink open a partition.

    Returns:
        The offset to go on from, and how many records before it expired unread.

    Raises:
        TopicError: The topic is not the one that the sink has read before.
        KafkaException: Kafka does not answer.
        PenstockError: The sink cannot open it.
    """
    part = TopicPartition(topic, partition)
    offset = sink.open(topic, partition)
    if not sink.keeps_offsets:
        (known,) = consumer.committed([part], timeout=ASK_SECONDS)
        offset = known.offset if known.offset >= 0 else None
        if offset is not None:
            now = sink.topic_ids.get(topic)
            refuse_another((topic, partition), offset, known=known.metadata, now=now)
    low, high = log_bounds(consumer, (topic, partition), ASK_SECONDS)
    if offset is None:
        return low, 0
    if offset > high:
        msg = f"the topic ends at {high}, but the sink has read it to {offset}"
        raise TopicError(
            msg,
            where=f"{topic}/{partition}",
            remedy=f"if the topic was created anew, give the sink {sink.name!r} another name",
        )
    if offset < low:
        structlog.get_logger().error(
            "records expired unread", topic=topic, partition=partition, lost=low - offset
        )
    return max(low, offset), max(0, low - offset)
