"""Sample batches from plain tuples, as a decoder would make them, for tests and backtests."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np

from penstock.operator import Names, SampleBatch
from schemas import Kind

_MUCH_LATER: Final = 10**13
"""Microseconds; longer than any window."""


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record.

    Args:
        asset: ISA-95 path.
        source: Name of the source.
        samples: (tag, time), (tag, time, value) or (tag, time, value, good). The value is a number,
            text or boolean, 0.0 unless given; good unless said otherwise. Times in microseconds.
        ingest: Microseconds; None: the greatest time of the samples.
    """

    asset: str
    source: str
    samples: Sequence[tuple[Any, ...]]
    ingest: int | None = None


class Batches:
    """Makes batches of one partition; names keep their numbers from batch to batch, offsets count.

    >>> batch = Batches().of(Record("press07", "plc", [("power", 0, 1.5), ("state", 5, "idle")]))
    >>> len(batch), batch.value.tolist(), batch.texts, batch.series_names[1]
    (2, [1.5, 0.0], ('idle',), ('press07', 'plc', 'state'))
    """

    def __init__(self) -> None:
        self.streams, self.series = Names(), Names()
        self.offset = 0

    def of(self, *records: Record) -> SampleBatch:
        """The batch of consecutive records."""
        texts: list[str] = []
        rows = [
            (
                number,
                self.series.id((record.asset, record.source, sample[0])),
                *_plain(sample, texts),
            )
            for number, record in enumerate(records)
            for sample in record.samples
        ]
        number, series, time, value, good, kind = zip(*rows, strict=True) if rows else ((),) * 6
        first, self.offset = self.offset, self.offset + len(records)
        return SampleBatch(
            stream=np.array([self.streams.id((r.asset, r.source)) for r in records], np.int32),
            ingest=np.array([_ingest(record) for record in records], np.int64),
            offset=np.arange(first, self.offset, dtype=np.int64),
            record=np.array(number, np.int32),
            series=np.array(series, np.int32),
            time=np.array(time, np.int64),
            value=np.array(value, np.float64),
            good=np.array(good, np.bool_),
            kind=np.array(kind if any(kind) else (), np.int8),
            texts=tuple(texts),
            streams=self.streams,
            series_names=self.series,
        )


def _ingest(record: Record) -> int:
    if record.ingest is not None:
        return record.ingest
    return max((sample[1] for sample in record.samples), default=0)


def _plain(sample: tuple[Any, ...], texts: list[str]) -> tuple[int, float, bool, Kind]:
    """(time, value, good, kind) of a sample."""
    time, value, good = (*sample, *(0.0, True)[len(sample) - 2 :])[1:]
    if isinstance(value, str):
        texts.append(value)
        return time, len(texts) - 1, good, Kind.TEXT
    kind = Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMBER
    return time, float(value), bool(good and np.isfinite(value)), kind


class SampleFeed:
    """Feeds an operator of samples, for `penstock.testing.determinism`; batches are read-only."""

    host_drops_duplicates: ClassVar[bool] = True

    def __init__(self) -> None:
        self._batches = Batches()

    def batch(self, records: Sequence[Record], first: int, step: int = 1) -> SampleBatch:
        """The batch of consecutive records, the offset of the first, and from one to the next."""
        batch = self._batches.of(*records)
        batch = replace(batch, offset=first + step * np.arange(len(records), dtype=np.int64))
        for name in ("stream", "ingest", "offset", "record", "series", "time", "value", "good"):
            getattr(batch, name).flags.writeable = False
        return batch

    def closing(self, records: Sequence[Record]) -> list[Record]:
        """A sample of every stream, much later than all others."""
        times = [sample[1] for record in records for sample in record.samples]
        end = max(times, default=0) + _MUCH_LATER
        tags = {(r.asset, r.source): r.samples[0][0] for r in records if r.samples}
        return [Record(*stream, [(tag, end, 1.0)]) for stream, tag in sorted(tags.items())]

    def broken(self, batch: SampleBatch) -> Iterator[SampleBatch]:
        """Batches whose columns do not fit each other; none of an empty batch."""
        if len(batch):
            yield replace(batch, time=batch.time[:-1])
            yield replace(batch, value=np.append(batch.value, 0.0))
            yield replace(batch, good=batch.good.astype(np.int8))
            yield replace(batch, record=batch.record + np.int32(len(batch.stream)))
            yield replace(batch, series=np.full_like(batch.series, len(batch.series_names)))
            yield replace(batch, stream=np.full_like(batch.stream, -1))
            yield replace(batch, streams=Names())

    def shuffled(
        self, records: Sequence[Record], out_of_order: int, source: random.Random
    ) -> tuple[list[Record], list[Record]]:
        """Each sample as a record of its own, in order of time and then out of order."""
        samples = {(r.asset, r.source, s[0], s[1]): s for r in reversed(records) for s in r.samples}
        ingest = max((time for *_, time in samples), default=0)
        ordered = [
            Record(asset, stream, [samples[asset, stream, tag, time]], ingest)
            for asset, stream, tag, time in sorted(samples, key=lambda name: name[3])
        ]
        delayed = [(r.samples[0][1] + source.uniform(0, 0.99 * out_of_order), r) for r in ordered]
        return ordered, [record for _, record in sorted(delayed, key=lambda pair: pair[0])]
