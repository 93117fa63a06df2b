"""Notices a worker that is alive, has records to read, and reads none."""

import asyncio
import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Protocol

from penstock.errors import KafkaUnavailableError, StalledError, TopicError
from penstock.health import Status
from penstock.kafka.client import Place
from penstock.kafka.describe import Describer
from streams.host.intake import Intake
from streams.host.outputs import Outputs


class Watched(Protocol):
    """What the watchdog asks of the host."""

    describer: Describer
    outputs: Outputs
    intake: Intake
    status: Status

    @property
    def standing(self) -> Container[int]:
        """The partitions that stand still on purpose."""

    def resume_offsets(self) -> Mapping[Place, int]:
        """The next offset of each topic's owned partitions."""


class Watchdog:
    """Compares how far partitions are with where their logs end, which it asks Kafka by itself.

    What the consumer believes would not do: a consumer that is stuck believes that there is
    nothing.

    Args:
        host: Whose partitions.
        topics: What they are of.
        patience: Seconds without progress.
        monotonic: Seconds.
    """

    def __init__(
        self,
        host: Watched,
        topics: Sequence[str],
        patience: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._topics = topics
        self._patience = patience
        self._monotonic = monotonic
        self._missing_since: float | None = None
        self._seen: dict[Place, tuple[int | None, float]] = {}
        """Of each partition the next offset, and since when it is that."""

    async def look(self, assigned: Sequence[int]) -> None:
        """See whether all assigned partitions move.

        Raises:
            StalledError: One has not moved for too long.
            TopicError: A topic was deleted.
        """
        try:
            ends = await asyncio.to_thread(self._ends, assigned)
        except KafkaUnavailableError:
            self._seen.clear()  # nobody could move
        except TopicError as error:
            self._seen.clear()
            self._missing(error)
        else:
            self._missing_since = None
            self.judge(ends)

    def _missing(self, error: TopicError) -> None:
        """A topic that is read is not there: a broker that just started may not know it yet.

        Raises:
            TopicError: It is gone for too long.
        """
        now = self._monotonic()
        self._missing_since = self._missing_since or now
        self._host.status.note(last_error=str(error))
        if now - self._missing_since >= self._patience:
            raise error

    def _ends(self, assigned: Sequence[int]) -> dict[Place, int]:
        self._host.describer.topics(self._topics)  # whoever has none of its partitions asks, too
        bounds = self._host.describer.bounds
        return {
            (topic, number): end
            for topic in self._topics
            for number, (_, end) in bounds(topic, assigned, committed=True).items()
        }

    def judge(self, ends: Mapping[Place, int]) -> None:
        """See which of the assigned places, whose logs' ends are given, moved since the last call.

        Raises:
            StalledError: One has not moved for too long.
        """
        positions, now = self._host.resume_offsets(), self._monotonic()
        waiting = [
            place
            for place, end in ends.items()
            if place[1] not in self._host.standing
            and not self._host.outputs.full
            and not self._host.intake.waits(place[1])
            and (positions.get(place) is None or positions[place] < end)
        ]
        self._seen = {
            place: self._seen[place]
            if place in self._seen and self._seen[place][0] == positions.get(place)
            else (positions.get(place), now)
            for place in waiting
        }
        for place, (position, since) in self._seen.items():
            if now - since >= self._patience:
                at = "its state is not restored" if position is None else f"it is at {position}"
                msg = (
                    f"no batch for {now - since:.0f} s although records wait: {at}, "
                    f"the log ends at {ends[place]}"
                )
                raise StalledError(
                    msg, where=f"{place[0]}[{place[1]}]", remedy="a new process takes its place"
                )
