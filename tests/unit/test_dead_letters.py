"""Which dead letters a component is to take again, and what becomes of one that fails again."""

from typing import Any

import pytest
from confluent_kafka import Message

from penstock.kafka.client import Headers
from penstock.kafka.dead_letters import (
    ACTION,
    DROP,
    PROCESSING,
    PUTTING,
    RETRY,
    Origin,
    headers,
    origin_of,
    to_take_again,
)
from penstock.kafka.topics import SENSORS, retries

ORIGIN = Origin("lake", SENSORS.name, 3, 17, "an epoch", attempt=1, stage=PROCESSING)


def message(found: Headers) -> Message:
    where: dict[str, Any] = {"topic": retries(SENSORS.name).name, "partition": 3, "offset": 0}
    return Message(**where, headers=list(found))


def letter(action: str) -> Message:
    return message([*headers(ORIGIN, ValueError("no")), (ACTION, action.encode())])


def test_a_component_takes_again_what_it_buried_and_is_told_to_take() -> None:
    assert to_take_again(letter(RETRY), "lake") == ORIGIN


@pytest.mark.parametrize(
    ("found", "component"),
    [
        (letter(RETRY), "alerts"),
        (letter(DROP), "lake"),
        (message(headers(ORIGIN, ValueError("no"))), "lake"),
        (message([(ACTION, RETRY.encode())]), "lake"),
    ],
    ids=["another's", "to be dropped", "not told", "no letter"],
)
def test_a_component_passes_over_what_is_not_for_it(found: Message, component: str) -> None:
    assert to_take_again(found, component) is None


def test_a_letter_that_fails_again_counts_the_attempts() -> None:
    again = ORIGIN.once_more(PUTTING)
    assert (again.attempt, again.stage, again.place) == (2, PUTTING, ORIGIN.place)
    assert origin_of(headers(again, ValueError("no"))) == again
