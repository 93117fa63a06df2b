"""Where a partition begins and ends now."""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from penstock.kafka.client import Place

ASK_AGAIN_SECONDS: Final = 0.1
_LEADERLESS: Final = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
"""What a broker says of a partition that was just made, or whose leader is moving."""


def log_bounds(consumer: Consumer, name: Place, seconds: float) -> tuple[int, int]:
    """The offset of a partition's first record, and the one behind its last.

    librdkafka asks whom it takes for the leader, once. Whoever comes to a topic in the moment in
    which it is made, or its leader moves, is told to ask another; this asks until there is one.

    Args:
        consumer: Whom to ask through.
        name: The partition.
        seconds: How long to ask.

    Raises:
        KafkaException: There is no answer in this time, or no such partition.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = max(deadline - time.monotonic(), ASK_AGAIN_SECONDS)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(*name), timeout=left)
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
            time.sleep(ASK_AGAIN_SECONDS)
        else:
            return int(low), int(high)
