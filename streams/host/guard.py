"""Notices that a topic was deleted, or created anew, under a running worker."""

import threading
import time
from collections.abc import Mapping

from penstock.errors import StateError, TopicError
from penstock.kafka.describe import Describer


class TopicGuard:
    """Knows the ids of the topics that a worker's state depends on.

    Kafka's clients go on with a topic that was created anew as if it were the old one: what they
    read would count as if it followed the state. So a snapshot is stored only if the topics still
    are the same after it was captured.

    Args:
        describer: Asks Kafka.
    """

    def __init__(self, describer: Describer) -> None:
        self._describer = describer
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self._checked = 0.0

    def expect(self, ids: Mapping[str, str]) -> None:
        """Say which topics, by name and id, the state is of."""
        with self._lock:
            self._ids, self._checked = dict(ids), 0.0

    def check(self, since: float) -> None:
        """See that the topics are the same, unless that was seen after `since` (monotonic).

        Several partitions' snapshots so share one question.

        Raises:
            StateError: A topic is gone or another one.
            KafkaUnavailableError: No broker answers.
        """
        with self._lock:
            if not self._ids or self._checked > since:
                return
            begun = time.monotonic()
            try:
                facts = self._describer.topics(list(self._ids))
            except TopicError as error:
                msg = "the topic was deleted while the processor ran"
                raise StateError(msg, where=error.where, remedy=_REMEDY) from error
            for name, expected in self._ids.items():
                if facts[name].id != expected:
                    msg = "the topic was deleted and created again while the processor ran"
                    raise StateError(msg, where=name, remedy=_REMEDY)
            self._checked = begun


_REMEDY = "reset the processor, then resume it"
