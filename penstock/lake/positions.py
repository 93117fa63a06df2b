"""What a table of the lake keeps of the topics that fill it: numbers, as Delta's `txn`."""

import hashlib
from dataclasses import dataclass

from deltalake import DeltaTable, Transaction


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is in a table."""

    offset: int
    """The next one that is not there."""
    topic: int | None
    """`number_of` the topic's id; None where an older release wrote it."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Those of one topic, as one sink keeps them.

    Args:
        environment: The sink's.
        sink: Its name.
        topic: The topic's name.
    """

    environment: str
    sink: str
    topic: str

    def read(self, table: DeltaTable, partition: int) -> Position | None:
        """That of a partition; None where nothing of it is in the table."""
        name = self._name(partition)
        offset = table.transaction_version(name)
        if offset is None:
            return None
        topic = table.transaction_version(f"{name}-id")
        return Position(int(offset), None if topic is None else int(topic))

    def write(self, partition: int, offset: int, topic_id: str) -> list[Transaction]:
        """What a commit carries to keep a position; without an id it keeps the offset alone."""
        name = self._name(partition)
        kept = [Transaction(app_id=name, version=offset)]
        if topic_id:
            kept.append(Transaction(app_id=f"{name}-id", version=number_of(topic_id)))
        return kept

    def _name(self, partition: int) -> str:
        return f"{self.environment}-{self.sink}-{self.topic}-{partition}"


def number_of(topic_id: str) -> int:
    """63 bits that tell a topic from all others."""
    return int.from_bytes(hashlib.blake2b(topic_id.encode(), digest_size=8).digest()) >> 1
