"""The contract of an operator: pure computation on a stream of samples, or of other records.

An operator is parameters, state and two methods: `update(batch)` takes samples in,
`advance(time)` may emit because time has passed, and never drops. It has no clock, no I/O, and
knows nothing of Kafka: event time comes in with the data, so it runs the same in a worker, in a
backtest and in a test. One operator serves one partition.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from penstock.errors import DecodeError
from penstock.fingerprints import in_format, only_adds


class Names:
    """Gives each name a small integer, in the order of first appearance.

    >>> names = Names()
    >>> names.id("a"), names.id("b"), names.id("a"), names[1]
    (0, 1, 0, 'b')
    """

    __slots__ = ("_ids", "_names")

    def __init__(self) -> None:
        self._ids: dict[Any, int] = {}
        self._names: list[Any] = []

    def id(self, name: Any) -> int:
        """The integer of a name, a new one if it was never seen."""
        known = self._ids.get(name)
        if known is None:
            known = self._ids[name] = len(self._names)
            self._names.append(name)
        return known

    def __getitem__(self, number: int) -> Any:
        return self._names[number]

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples (N) of consecutive records (R) of one partition, as parallel columns.

    A *stream* is an (asset, source), the unit that has a watermark; a *series* is one of its tags.
    `streams` and `series_names` belong to the partition and only grow; they give the integers their
    names, but are not saved with the state: an operator that saves, saves names.
    """

    stream: NDArray[np.int32]
    """(R) id of each record's (asset, source) in `streams`."""
    ingest: NDArray[np.int64]
    """(R) ingest time of each record, microseconds."""
    offset: NDArray[np.int64]
    """(R) Kafka offset of each record."""
    record: NDArray[np.int32]
    """(N) the record, 0 … R-1, that each sample came in; never decreasing."""
    series: NDArray[np.int32]
    """(N) id of each sample's (asset, source, tag) in `series_names`."""
    time: NDArray[np.int64]
    """(N) source time, microseconds since 1970-01-01 UTC."""
    value: NDArray[np.float64]
    """(N) value; for text the index in `texts`."""
    good: NDArray[np.bool_]
    """(N) quality is good and the value finite."""
    kind: NDArray[np.int8]
    """(N) `schemas.Kind` of each sample; length 0: all numbers."""
    texts: tuple[str, ...]
    """What the values of text samples point to, joined over the records."""
    streams: Names
    """(asset, source) of each stream id."""
    series_names: Names
    """(asset, source, tag) of each series id."""

    def __len__(self) -> int:
        return len(self.time)

    def check(self) -> None:
        """Refuse columns that do not fit each other; an operator calls it before it changes.

        Raises:
            DecodeError: They do not.
        """
        samples, records = len(self.time), len(self.stream)
        columns = (self.record, self.series, self.value, self.good)
        wrong = any(len(column) != samples for column in columns)
        wrong |= len(self.ingest) != records or len(self.kind) not in (0, samples)
        wrong |= self.good.dtype != np.bool_
        if not wrong and samples:
            ids = (
                (self.record, records),
                (self.series, len(self.series_names)),
                (self.stream, len(self.streams)),
            )
            wrong = any(column.min() < 0 or column.max() >= names for column, names in ids)
            wrong |= bool((self.record[1:] < self.record[:-1]).any())
        if wrong:
            msg = "the columns of a batch of samples do not fit each other"
            raise DecodeError(msg, remedy="this is a fault of the decoder: please report it")


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records (N) of one partition, each made by the processor's `from_avro`."""

    records: tuple[Any, ...]
    offset: NDArray[np.int64]
    """(N) Kafka offset of each record."""

    def __len__(self) -> int:
        return len(self.records)


Batch = TypeVar("Batch", default=SampleBatch)
"""What an operator takes in."""


@dataclass(frozen=True, slots=True)
class Result:
    """Something that an operator found.

    Args:
        key: The Kafka key: what must stay in order.
        record: One of the records of `schemas`, to be encoded by the processor; `Windowed`, if it
            tells of a span of event time.
    """

    key: str
    record: Any


TOO_LATE: Final = "too late"
"""Why no result holds a sample: none that is still kept would take it."""
CLOCK_AHEAD: Final = "clock ahead"
"""Why no result holds a sample: its time is too far beyond its record's ingest time."""


@dataclass(frozen=True, slots=True)
class LateSamples:
    """Samples that no result holds: `mask` (N of the batch) marks them, `reason` says why."""

    mask: NDArray[np.bool_]
    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """What `update` and `advance` give: results in order, and the samples that came too late."""

    results: Sequence[Result] = ()
    late: Sequence[LateSamples] = ()


@dataclass(slots=True)
class Books:
    """Where the samples of an operator went; in = aggregated + bad + late, always."""

    samples_in: int = 0
    aggregated: int = 0
    bad: int = 0
    late: int = 0

    @property
    def closed(self) -> bool:
        """Whether every sample is accounted for."""
        return self.samples_in == self.aggregated + self.bad + self.late


class ClockState(StrEnum):
    """Whether the times of a source can be built on."""

    OK = "ok"
    IDLE = "idle"
    """Nothing was heard of it for a while of wall-clock time."""
    RUNAWAY = "runaway"
    """Its last record had times too far ahead of their ingest; they are set aside."""


@dataclass(frozen=True, slots=True)
class SourceClock:
    """The clock of an (asset, source).

    Args:
        state: What it is like now.
        since: When that began, microseconds: the ingest time of a record; of an idle source, the
            wall-clock time when it was last heard.
        set_aside: How many of its samples were ever too far ahead.
    """

    state: ClockState
    since: int
    set_aside: int


class Operator(ABC, Generic[Batch]):
    """State and computation over one partition. `update` changes nothing when it raises."""

    state_format: ClassVar[int] = 1
    """Number of the format of `changes`; grows when rows change their meaning."""
    former_formats: ClassVar[tuple[int, ...]] = ()
    """Those that `restore` reads besides."""
    books: Books

    @abstractmethod
    def update(self, batch: Batch) -> Output:
        """Take a batch in. `update(a + b)` must leave what `update(a)`, `update(b)` leave."""

    @abstractmethod
    def advance(self, time: int) -> Output:
        """Emit what is due at this wall-clock time; never drop, never move a watermark."""

    @abstractmethod
    def changes(self) -> Mapping[str, bytes | None]:
        """The rows of state changed since the last call (None: deleted); the caller keeps them."""

    @abstractmethod
    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows.

        Rows of an older format that it `reads` are migrated: the next `changes` gives all rows
        anew, and None for those that are no more.

        Raises:
            StateError: The rows are of another format or of other parameters.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Name/format and parameters: what must be equal, so that old state is not misread.

        `penstock.fingerprints.with_parts` lets state of a plant with fewer assets be gone on with.
        """

    def reads(self, fingerprint: str) -> bool:
        """Whether `restore` takes state with this fingerprint: its own, or of fewer parts."""
        return only_adds(fingerprint, self.fingerprint) or self.is_former(fingerprint)

    def is_former(self, fingerprint: str) -> bool:
        """Whether state with this fingerprint is its own, in a former format."""
        formers = (in_format(self.fingerprint, version) for version in self.former_formats)
        return any(only_adds(fingerprint, former) for former in formers)

    @abstractmethod
    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The watermark of each (asset, source), microseconds."""

    def clocks(self) -> Mapping[tuple[str, str], SourceClock]:
        """The clock of each (asset, source), for people; of none if the operator judges none."""
        return {}
