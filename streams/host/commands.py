"""Watches what people command of a processor."""

import threading
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock.errors import StateError
from penstock.kafka.client import options
from penstock.settings.plant import KafkaSettings
from penstock.state.control import KEY, PARTITION, Control

_log = structlog.get_logger()
_POLL_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 2.0
"""Between two looks for the topic while it is missing."""


class Commands:
    """Follows a processor's control topic in a thread; where there is none, nothing is commanded.

    Args:
        settings: Where Kafka is.
        topic: The control topic.
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.current = Control()
        """What is commanded now."""
        self.known = threading.Event()
        """Set once all that was commanded before the start is read."""
        self._topic = topic
        self._stopping = threading.Event()
        self._consumer = Consumer(
            options(
                settings,
                group_id="penstock-commands",  # never joined: the partition is assigned by hand
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                enable_partition_eof=True,
            )
        )
        self._thread = threading.Thread(target=self._follow, name="commands", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set() and not self._found():
                self._stopping.wait(_LOOK_SECONDS)
            self._consumer.assign([TopicPartition(self._topic, PARTITION, 0)])
            while not self._stopping.is_set():
                message = self._consumer.poll(_POLL_SECONDS)
                if message is not None:
                    self._heed(message)
        finally:
            self._consumer.close()

    def _found(self) -> bool:
        """Whether there is a topic to follow; where there is none, nothing is commanded yet."""
        try:
            found = self._consumer.list_topics(timeout=_LOOK_SECONDS)
        except KafkaException:
            return False
        if self._topic not in found.topics:
            self.known.set()
            return False
        return True

    def _heed(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self.known.set()
        elif message.key() == KEY and message.value() is not None:
            try:
                self.current = Control.load(message.value() or b"", self._topic)
            except StateError as damaged:
                _log.error("a command is ignored", error=str(damaged))
