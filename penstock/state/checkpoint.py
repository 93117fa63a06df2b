"""What a snapshot of a partition holds: the operator's rows, and a record of what they are."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from penstock import __version__
from penstock.errors import StateError
from penstock.operator import Books

FORMAT: Final = 5
"""Of `Meta` and of the state topic; older ones are read, newer ones refused."""
_OF_ONE_TOPIC: Final = 3
"""The last format in which a processor read a single topic."""


@dataclass(slots=True)
class RecordBooks:
    """Where a partition's records went: in + retried = processed + duplicate + dead, always."""

    records_in: int = 0
    processed: int = 0
    duplicate: int = 0
    dead: int = 0
    lost: int = 0
    """Records that the topic no longer held when it was their turn; not among `records_in`."""
    retried: int = 0
    """Dead letters taken again; each is then processed, a duplicate, or dead once more."""

    @property
    def closed(self) -> bool:
        """Whether every record is accounted for."""
        taken = self.records_in + self.retried
        return taken == self.processed + self.duplicate + self.dead


@dataclass(frozen=True, slots=True)
class Source:
    """A partition of a topic that is read; a recreated topic has another id."""

    topic: str
    topic_id: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(slots=True)
class InputState:
    """How far a partition of a topic is taken into a state."""

    topic_id: str
    start: int
    """The first offset of this epoch."""
    offset: int
    """The next offset: the rows hold all records before it and none from it on."""
    records: RecordBooks = field(default_factory=RecordBooks)
    retry_offset: int = 0
    """The next offset of the topic's retries."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Why a partition stands still until a person resumes it."""

    reason: str
    since: int
    """Microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Event time of the streams of a partition, microseconds; None where none has any."""

    streams: int = 0
    least: int | None = None
    greatest: int | None = None

    @classmethod
    def of(cls, marks: Mapping[tuple[str, str], int]) -> "Watermarks":
        """The bounds of an operator's watermarks."""
        levels = marks.values()
        return cls(len(levels), min(levels, default=None), max(levels, default=None))


@dataclass(frozen=True, slots=True)
class Meta:
    """What the rows of a snapshot are: made by whom, by which operator, from which records."""

    environment: str
    """The deployment whose state it is; empty where an old release did not say."""
    operator: str
    """The operator's fingerprint."""
    state_format: int
    """The number of the operator's own format of rows."""
    partition: int
    """Of every topic that is read, and of the state topic."""
    inputs: Mapping[str, InputState]
    """Of each topic that is read, in the processor's order."""
    epoch: int
    """Grows whenever the state starts anew; milliseconds since 1970 at that moment."""
    emission: int
    """Results published at these offsets."""
    samples: Books
    watermarks: Watermarks
    writer: str
    """Who wrote this; new with every restore."""
    number: int
    """Counts the writer's snapshots from 1."""
    written: int
    """When, microseconds since 1970."""
    rows: int = 0
    """Rows of the whole state, so that missing ones are noticed."""
    size: int = 0
    """Bytes of the whole state."""
    partitions: int = 0
    """Of each topic that is read: where they change, keys move. 0: an old release did not say."""
    parked: Parked | None = None
    release: str = __version__
    """Of Penstock, who wrote this."""

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes, where: str) -> "Meta":
        """The inverse of `dump`; of an older format what it does not say is empty.

        Raises:
            StateError: It is of a newer format, or damaged.
        """
        try:
            fields: dict[str, Any] = json.loads(data)
            found = fields.pop("format")
            if found > FORMAT:
                release = fields.get("release", "unknown")
                msg = (
                    f"the state was written by a newer release ({release}, format {found}; "
                    f"this one reads up to {FORMAT})"
                )
                raise StateError(
                    msg, where=where, remedy="finish the roll-out, or reset the processor"
                )
            if found == 1:
                fields = _from_format_1(fields)
            if found <= _OF_ONE_TOPIC:
                fields = _from_one_topic(fields)
            parked = fields.get("parked")
            inputs = {
                topic: InputState(**one | {"records": RecordBooks(**one["records"])})
                for topic, one in fields["inputs"].items()
            }
            return cls(
                **fields
                | {
                    "inputs": inputs,
                    "samples": Books(**fields["samples"]),
                    "watermarks": Watermarks(**fields["watermarks"]),
                    "parked": Parked(**parked) if parked else None,
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"the state's description cannot be read: {error!r}"
            raise StateError(msg, where=where, remedy="reset the processor") from error


def _from_format_1(fields: dict[str, Any]) -> dict[str, Any]:
    """It kept the seen ranges here, each stream's watermark, and no start."""
    fields.pop("duplicates")
    levels = fields["watermarks"].values()
    done = fields["records"]
    bounds = {"least": min(levels, default=None), "greatest": max(levels, default=None)}
    return fields | {
        "environment": "",
        "state_format": 1,
        "start": fields["offset"] - done["records_in"] - done["lost"],
        "watermarks": {"streams": len(levels), **bounds},
        "written": 0,
        "release": "0.1",
    }


def _from_one_topic(fields: dict[str, Any]) -> dict[str, Any]:
    """A processor read one topic."""
    source = fields.pop("source")
    one = {name: fields.pop(name) for name in ("start", "offset", "records")}
    one |= {"topic_id": source["topic_id"], "retry_offset": fields.pop("retry_offset", 0)}
    return fields | {"partition": source["partition"], "inputs": {source["topic"]: one}}


def seen_of_format_1(data: bytes) -> bytes:
    """The seen ranges that a description of format 1 held, as the row of today."""
    return json.dumps(json.loads(data)["duplicates"], separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A partition's state at an offset; for writing, `rows` are those that changed (None: gone)."""

    rows: Mapping[str, bytes | None]
    meta: Meta
