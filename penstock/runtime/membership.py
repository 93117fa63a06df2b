"""Notices a consumer that belongs to no group although Kafka answers."""

import time
from collections.abc import Callable
from typing import Final

from penstock.errors import StalledError

PATIENCE_SECONDS: Final = 60.0
"""Longer than a rebalance may take."""


class Membership:
    """Whether a consumer is a member of its group, and for how long it has not been.

    librdkafka joins again by itself, but for faults of its own: once, after a broker had been slow,
    a consumer stayed outside for good, with an open connection and no error. Only a new one helps.

    Args:
        group: The group's name.
        answers: Asks Kafka, through another client, whether it answers; takes a moment.
        patience: Seconds outside until a new process is to take our place.
        monotonic: Seconds.
    """

    def __init__(
        self,
        group: str,
        answers: Callable[[], bool],
        patience: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._answers = answers
        self._patience = patience
        self._monotonic = monotonic
        self._outside_since: float | None = monotonic()

    @property
    def inside(self) -> bool:
        """Whether we are a member, with partitions or without."""
        return self._outside_since is None

    def joined(self) -> None:
        """Partitions were assigned, perhaps none."""
        self._outside_since = None

    def left(self) -> None:
        """Partitions were taken away."""
        if self._outside_since is None:
            self._outside_since = self._monotonic()

    def look(self) -> None:
        """See that we are not outside for too long.

        Raises:
            StalledError: We are, and Kafka answers.
        """
        since, now = self._outside_since, self._monotonic()
        if since is None or now - since < self._patience:
            return
        if self._answers():
            msg = f"no member of its group for {now - since:.0f} s although Kafka answers"
            raise StalledError(msg, where=self._group, remedy="a new process takes its place")
        self._outside_since = now  # Nobody could be a member.
