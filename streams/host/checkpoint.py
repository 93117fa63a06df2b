"""What a snapshot of a partition holds: the operator's rows, and a record of what they are."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from penstock.errors import StateError
from penstock.operator import Books
from streams.host.duplicates import Stored

FORMAT: Final = 1
"""Of `Meta`; a reader of another one refuses."""


@dataclass(slots=True)
class RecordBooks:
    """Where the records of a partition went; in = processed + duplicate + dead, always."""

    records_in: int = 0
    processed: int = 0
    duplicate: int = 0
    dead: int = 0
    lost: int = 0
    """Records that the topic no longer held when it was their turn; not among `records_in`."""

    @property
    def closed(self) -> bool:
        """Whether every record is accounted for."""
        return self.records_in == self.processed + self.duplicate + self.dead


@dataclass(frozen=True, slots=True)
class Source:
    """The topic that state was made from; a recreated topic has another id."""

    topic: str
    topic_id: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Meta:
    """What the rows of a snapshot are: made by which operator, from which records."""

    operator: str
    """The operator's fingerprint."""
    source: Source
    offset: int
    """The next offset: the rows hold all records before it and none from it on."""
    epoch: int
    """Grows whenever the state starts anew; milliseconds since 1970 at that moment."""
    emission: int
    """Results published at `offset`."""
    records: RecordBooks
    samples: Books
    duplicates: Stored
    watermarks: dict[str, int]
    """Of each source of each asset, as `asset source`, microseconds; for people."""
    writer: str
    """Who wrote this; new with every restore."""
    number: int
    """Counts the writer's snapshots from 1."""

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes, where: str) -> "Meta":
        """The inverse of `dump`.

        Raises:
            StateError: It is of another format.
        """
        try:
            fields: dict[str, Any] = json.loads(data)
            found = fields.pop("format")
            if found != FORMAT:
                msg = f"the state is of format {found}, this release reads format {FORMAT}"
                raise StateError(msg, where=where, remedy="run the release that wrote it")
            fields["source"] = Source(**fields["source"])
            fields["records"] = RecordBooks(**fields["records"])
            fields["samples"] = Books(**fields["samples"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            msg = f"the state's description cannot be read: {error!r}"
            raise StateError(
                msg, where=where, remedy=f"delete topic {where} to start anew"
            ) from error


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A partition's state at an offset; for writing, `rows` are those that changed (None: gone)."""

    rows: Mapping[str, bytes | None]
    meta: Meta
