"""Notices a worker that is alive, has records to read, and reads none."""

import asyncio
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Protocol

from penstock.errors import KafkaUnavailableError, StalledError, TopicError
from penstock.kafka.describe import Describer
from streams.host.intake import Intake
from streams.host.outputs import Outputs


class Watched(Protocol):
    """What the watchdog asks of the host."""

    describer: Describer
    outputs: Outputs
    intake: Intake

    @property
    def standing(self) -> Container[int]:
        """The partitions that stand still on purpose."""

    def resume_offsets(self) -> Mapping[int, int]:
        """The next offset of each owned partition."""


class Watchdog:
    """Compares how far partitions are with where their logs end, which it asks Kafka by itself.

    What the consumer believes would not do: a consumer that is stuck believes that there is
    nothing.

    Args:
        host: Whose partitions.
        topic: What they are of.
        patience: Seconds without progress.
        monotonic: Seconds.
    """

    def __init__(
        self,
        host: Watched,
        topic: str,
        patience: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._topic = topic
        self._patience = patience
        self._monotonic = monotonic
        self._seen: dict[int, tuple[int | None, float]] = {}
        """Of each partition the next offset, and since when it is that."""

    async def look(self, assigned: Sequence[int]) -> None:
        """See whether all assigned partitions move.

        Raises:
            StalledError: One has not moved for too long.
        """
        try:
            bounds = await asyncio.to_thread(self._host.describer.bounds, self._topic, assigned)
        except (KafkaUnavailableError, TopicError):
            self._seen.clear()  # nobody could move
            return
        self.judge(assigned, {number: end for number, (_, end) in bounds.items()})

    def judge(self, assigned: Sequence[int], ends: Mapping[int, int]) -> None:
        """See which partitions moved since the last call.

        Raises:
            StalledError: One has not moved for too long.
        """
        positions, now = self._host.resume_offsets(), self._monotonic()
        waiting = [
            number
            for number in assigned
            if number not in self._host.standing
            and not self._host.outputs.full
            and not self._host.intake.waits(number)
            and (positions.get(number) is None or positions[number] < ends[number])
        ]
        self._seen = {
            number: self._seen[number]
            if number in self._seen and self._seen[number][0] == positions.get(number)
            else (positions.get(number), now)
            for number in waiting
        }
        for number, (position, since) in self._seen.items():
            if now - since >= self._patience:
                at = "its state is not restored" if position is None else f"it is at {position}"
                msg = (
                    f"no batch for {now - since:.0f} s although records wait: {at}, "
                    f"the log ends at {ends[number]}"
                )
                raise StalledError(
                    msg, where=f"{self._topic}[{number}]", remedy="a new process takes its place"
                )
