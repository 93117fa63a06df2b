"""Sample batches from plain tuples, as a decoder would make them, for tests and backtests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.operator import Names, SampleBatch
from schemas import Kind


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
