"""Asking where a partition begins and ends, while its leader is being chosen."""

from unittest.mock import Mock

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from penstock.kafka.log_bounds import log_bounds

NAME = ("ot.sensors.v1", 2)


def refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


def asked(*answers: KafkaException | tuple[int, int]) -> Mock:
    consumer = Mock(spec=Consumer)
    consumer.get_watermark_offsets.side_effect = answers
    return consumer


def test_a_partition_whose_leader_is_not_known_yet_is_asked_again() -> None:
    moving = [
        refused(KafkaError.UNKNOWN_TOPIC_OR_PART),
        refused(KafkaError.LEADER_NOT_AVAILABLE),
        refused(KafkaError.NOT_LEADER_FOR_PARTITION),
    ]
    assert log_bounds(asked(*moving, (3, 9)), NAME, seconds=60) == (3, 9)


def test_a_partition_that_stays_without_a_leader_is_given_up() -> None:
    consumer = asked(*[refused(KafkaError.NOT_LEADER_FOR_PARTITION)] * 3)
    with pytest.raises(KafkaException, match="NOT_LEADER"):
        log_bounds(consumer, NAME, seconds=0)


def test_what_waiting_does_not_mend_is_told_at_once() -> None:
    consumer = asked(refused(KafkaError.TOPIC_AUTHORIZATION_FAILED), (0, 0))
    with pytest.raises(KafkaException, match="AUTHORIZATION"):
        log_bounds(consumer, NAME, seconds=60)
    assert consumer.get_watermark_offsets.call_count == 1
