"""A worker hears what is commanded, also where its control topic is made later."""

import time

from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.settings.plant import KafkaSettings
from penstock.state.checkpoint import Parked
from penstock.state.control import Control, write_control
from streams.host.commands import Commands


def test_a_control_topic_that_comes_later_is_followed(kafka: KafkaSettings, unique: str) -> None:
    commands = Commands(kafka, unique)
    try:
        assert commands.known.wait(20), "nobody commanded anything"
        assert commands.current == Control()
        ensure_topics(kafka, [topics.control(unique)])
        wanted = Control(parked=Parked("boiler", 1))
        write_control(kafka, unique, wanted)
        deadline = time.monotonic() + 20
        while commands.current != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        commands.close()
