"""What people command of a processor: to park, to resume, to start anew. A compacted topic.

One record holds all that is commanded, so that the newest one is enough to know it. Workers watch
it; commands work also while no worker runs, who comes later obeys.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from confluent_kafka import Producer

from penstock.errors import KafkaUnavailableError, StateError
from penstock.kafka.client import producer_options
from penstock.settings.plant import KafkaSettings
from penstock.state.checkpoint import Parked
from penstock.state.reading import read_newest

KEY: Final = b"control"
PARTITION: Final = 0
"""Where the record lies, whatever the topic's number of partitions."""
_WRITE_SECONDS: Final = 10.0


Offsets = Mapping[str, Mapping[int, int]]
"""By topic and partition; without a topic's name as an old release wrote them, of its only one."""


@dataclass(frozen=True, slots=True)
class Control:
    """All that is commanded of a processor."""

    parked: Parked | None = None
    """By a person, all of it."""
    resumed: int = 0
    """When it was last resumed, microseconds; what was parked before that goes on."""
    epoch: int = 0
    """State of an older epoch counts no more."""
    starts: Offsets = field(default_factory=dict)
    """Where the epoch begins."""
    behind: Offsets = field(default_factory=dict)
    """How far the epoch before had come."""
    since: int = 0
    """Windows that begin earlier the epoch has read in part only, microseconds."""
    told: Mapping[int, int] = field(default_factory=dict)
    """Of each partition, the event time up to which the epoch before had told of its windows."""

    def holds(self, parked: Parked | None) -> bool:
        """Whether a partition that was parked has not been resumed since."""
        return parked is not None and parked.since > self.resumed

    def start(self, topic: str, partition: int, otherwise: int) -> int:
        """Where the epoch begins in a partition."""
        return self.starts.get(topic, self.starts.get("", {})).get(partition, otherwise)

    def until(self, topic: str, partition: int) -> int:
        """How far the epoch before had come in a partition."""
        return self.behind.get(topic, self.behind.get("", {})).get(partition, 0)

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes, where: str) -> "Control":
        """The inverse of `dump`; what a newer release adds is ignored.

        Raises:
            StateError: It is damaged.
        """
        try:
            found = json.loads(data)
            parked = found["parked"]
            return cls(
                parked=Parked(**parked) if parked else None,
                resumed=int(found["resumed"]),
                epoch=int(found["epoch"]),
                starts=_offsets(found["starts"]),
                behind=_offsets(found["behind"]),
                since=int(found.get("since", 0)),
                told={int(n): int(at) for n, at in found.get("told", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"the control record cannot be read: {error!r}"
            raise StateError(
                msg, where=where, remedy="park or resume the processor again"
            ) from error


def _offsets(found: Mapping[str, Any]) -> Offsets:
    if any(isinstance(one, int) for one in found.values()):
        found = {"": found}
    return {topic: {int(n): int(at) for n, at in by.items()} for topic, by in found.items()}


def read_control(settings: KafkaSettings, topic: str) -> Control:
    """What is commanded now; nothing where nobody ever commanded anything.

    Raises:
        KafkaUnavailableError: The topic cannot be read.
        StateError: The record is damaged.
    """
    found = read_newest(settings, topic, {PARTITION: 0})[PARTITION].get(KEY)
    return Control.load(found.value or b"", topic) if found else Control()


def write_control(settings: KafkaSettings, topic: str, control: Control) -> None:
    """Command.

    Raises:
        KafkaUnavailableError: Kafka did not take it.
    """
    failures: list[str] = []
    producer = Producer(producer_options(settings, message_timeout_ms=int(_WRITE_SECONDS * 1e3)))
    producer.produce(
        topic,
        control.dump(),
        KEY,
        partition=PARTITION,
        on_delivery=lambda error, _: failures.append(error.str()) if error else None,
    )
    left = producer.flush(_WRITE_SECONDS + 1)
    if left or failures:
        msg = f"the command was not taken: {failures[0] if failures else 'no answer'}"
        raise KafkaUnavailableError(msg, where=topic)
