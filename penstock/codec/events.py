"""SensorEvents as columns: of the events, of their tags, of their samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.codec.avro_read import constant
from penstock.codec.joined import ranges
from penstock.operator import Names, SampleBatch
from penstock.quality import GOOD, good_mask
from schemas import Kind, SensorEvent

_ALL_GOOD: Final = constant([GOOD], np.int32)
_NO_OFFSET: Final = constant([0.0], np.float64)
_OF_EVENTS: Final = ("index", "offset", "stream", "session", "sequence", "ingest", "tags", "size")
_OF_TAGS: Final = ("series", "count", "kind")
_OF_SAMPLES: Final = ("time", "value", "good")


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of events (E), of their tags (K in all) and of their samples (N in all)."""

    index: NDArray[np.int64]
    """(E) place among the records that were read."""
    offset: NDArray[np.int64]
    """(E) Kafka offset."""
    stream: NDArray[np.int32]
    """(E) id of (asset, source)."""
    session: NDArray[np.int32]
    """(E) index in `sessions`."""
    sequence: NDArray[np.int64]
    """(E) counts the session's events of the asset."""
    ingest: NDArray[np.int64]
    """(E) microseconds."""
    tags: NDArray[np.int64]
    """(E) number of tags."""
    size: NDArray[np.int64]
    """(E) number of samples."""
    series: NDArray[np.int32]
    """(K) id of (asset, source, tag)."""
    count: NDArray[np.int64]
    """(K) samples of each tag."""
    kind: NDArray[np.int8]
    """(K) `schemas.Kind` of each tag; length 0: all numbers."""
    time: NDArray[np.int64]
    """(N) microseconds."""
    value: NDArray[np.float64]
    """(N) value; for text the index in the event's own texts."""
    good: NDArray[np.bool_]
    """(N) quality is good and the value finite."""
    texts: tuple[tuple[str, ...], ...]
    """(E) each event's texts; length 0: none has any."""
    sessions: Sequence[tuple[str, str, str]]
    """(source, session, asset)s."""

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, part: slice) -> "Events":
        return self.take(np.arange(*part.indices(len(self))))

    def take(self, which: NDArray[np.int64]) -> "Events":
        """These events, in this order."""
        tags = ranges((np.cumsum(self.tags) - self.tags)[which], self.tags[which])
        samples = ranges((np.cumsum(self.size) - self.size)[which], self.size[which])
        columns = {name: getattr(self, name)[which] for name in _OF_EVENTS}
        columns |= {name: getattr(self, name)[tags] for name in ("series", "count")}
        columns |= {name: getattr(self, name)[samples] for name in _OF_SAMPLES}
        kind = self.kind[tags] if len(self.kind) else self.kind
        texts = tuple(self.texts[i] for i in which.tolist()) if self.texts else ()
        return Events(**columns, kind=kind, texts=texts, sessions=self.sessions)

    def then(self, others: "Events") -> "Events":
        """These events and others of the same decoder and fetch."""
        if not len(self) or not len(others):
            return self if len(self) else others
        pair = (self, others)
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in pair])
            for name in (*_OF_EVENTS, *_OF_TAGS, *_OF_SAMPLES)
        }
        if len(columns["kind"]) < len(columns["series"]) and len(columns["kind"]):
            columns["kind"] = np.concatenate([one.kind_of_tags() for one in pair])
        texts = tuple(text for one in pair for text in one.texts or ((),) * len(one))
        return Events(**columns, texts=texts if any(texts) else (), sessions=self.sessions)

    def kind_of_tags(self) -> NDArray[np.int8]:
        """(K) `kind`, also where all are numbers."""
        return self.kind if len(self.kind) else np.zeros(len(self.series), np.int8)

    def batch(self, streams: Names, series: Names) -> SampleBatch:
        """The samples as operators take them."""
        kind = np.repeat(self.kind, self.count) if len(self.kind) else self.kind
        value = self.value
        if self.texts and len(kind):
            lengths = np.array([len(texts) for texts in self.texts], np.int64)
            first = np.repeat(np.cumsum(lengths) - lengths, self.size)
            is_text = kind == Kind.TEXT
            value = value.copy()
            value[is_text] += first[is_text]
        return SampleBatch(
            stream=self.stream,
            ingest=self.ingest,
            offset=self.offset,
            record=np.repeat(np.arange(len(self), dtype=np.int32), self.size),
            series=np.repeat(self.series, self.count),
            time=self.time,
            value=value,
            good=self.good,
            kind=kind,
            texts=tuple(text for texts in self.texts for text in texts),
            streams=streams,
            series_names=series,
        )


def columns_of(events: Sequence[SensorEvent]) -> dict[str, Any]:
    """What of `Events` is in events that were decoded one by one, and checked."""
    size = np.array([len(event.values) for event in events], np.int64)
    start = np.array([event.start for event in events], np.int64)
    offsets = [event.offsets if len(event.offsets) else _NO_OFFSET for event in events]
    value = _join([event.values for event in events], np.float64)
    good = np.isfinite(value)
    if any(len(event.quality) for event in events):
        quality = [event.quality if len(event.quality) else _ALL_GOOD for event in events]
        good &= good_mask(spread(quality, size, np.int32))
    texts = tuple(event.texts for event in events)
    return {
        "sequence": np.array([event.sequence for event in events], np.int64),
        "ingest": np.array([event.ingest for event in events], np.int64),
        "tags": np.array([len(event.tags) for event in events], np.int64),
        "size": size,
        "count": _join([event.counts for event in events], np.int64),
        "kind": _kinds(events),
        "time": spread(offsets, size, np.float64).astype(np.int64) + np.repeat(start, size),
        "value": value,
        "good": good,
        "texts": texts if any(texts) else (),
    }


def _kinds(events: Sequence[SensorEvent]) -> NDArray[np.int8]:
    if not any(len(event.kinds) for event in events):
        return np.empty(0, np.int8)
    numbers = [event.kinds if len(event.kinds) else 0 * event.counts for event in events]
    return np.concatenate(numbers).astype(np.int8)


def _join(columns: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(columns) if columns else np.empty(0, dtype)


def spread(columns: Sequence[NDArray[Any]], sizes: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    """Join columns whose length is their event's size, or 1 for an entry that stands for all."""
    lengths = np.array([len(column) for column in columns], np.int64)
    return stretched(_join(columns, dtype), lengths, sizes)


def stretched(
    joined: NDArray[Any], lengths: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[Any]:
    """Repeat the only entry of the columns of length 1, which stands for all of its event."""
    short = lengths != sizes
    if not short.any():
        return joined
    if (lengths == 1).all():
        return np.repeat(joined, sizes)
    repeats = np.ones(len(joined), np.int64)
    repeats[(np.cumsum(lengths) - lengths)[short]] = sizes[short]
    return np.repeat(joined, repeats)
