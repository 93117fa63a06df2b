"""What a sample is when it arrives: on time, late or set aside, judged record by record.

The watermark of a stream is the greatest accepted sample time so far less `out_of_order`. A sample
is judged by the watermark *before its record*, so it makes no difference how records are batched.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.operator import SampleBatch
from streams.operators.windows.parameters import EARLIEST, FOREVER, NEVER, WindowParameters


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the samples of a batch arrived (N samples, R records, S streams that sent any).

    Args:
        ahead: (N) time beyond ingest + clock_ahead, or before all time; None: no such sample.
        late: (N) accepted, but at or behind the watermark; None: no such sample.
        before: (R) the stream's watermark before each record; NEVER for records without samples.
        streams: (S) the streams that sent samples, ascending.
        watermark: (S) their watermarks after the batch; NEVER if nothing was ever accepted.
    """

    ahead: NDArray[np.bool_] | None
    late: NDArray[np.bool_] | None
    before: NDArray[np.int64]
    streams: NDArray[np.int64]
    watermark: NDArray[np.int64]


def arrive(
    batch: SampleBatch,
    stream: NDArray[np.int64],
    watermark: NDArray[np.int64],
    parameters: WindowParameters,
) -> Arrival:
    """Judge the samples of a batch, which holds at least one.

    Args:
        batch: The samples.
        stream: (R) index of each record's stream in `watermark`.
        watermark: Of every stream before the batch.
        parameters: `out_of_order` and `clock_ahead` count here.
    """
    first = np.flatnonzero(np.diff(batch.record, prepend=np.int32(-1)))
    lengths = np.diff(first, append=len(batch))
    owner = batch.record[first]
    limit = batch.ingest[owner].clip(EARLIEST, -EARLIEST) + parameters.clock_ahead
    greatest = np.maximum.reduceat(batch.time, first)
    least = np.minimum.reduceat(batch.time, first)
    ahead = None
    if (greatest > limit).any() or (least < EARLIEST).any():
        ahead = (batch.time > np.repeat(limit, lengths)) | (batch.time < EARLIEST)
        nothing = NEVER + parameters.out_of_order
        greatest = np.maximum.reduceat(np.where(ahead, nothing, batch.time), first)
        least = np.minimum.reduceat(np.where(ahead, FOREVER, batch.time), first)
    before, streams, after = _running(stream[owner], greatest - parameters.out_of_order, watermark)
    late = None
    if (least <= before).any():
        late = batch.time <= np.repeat(before, lengths)
        if ahead is not None:
            late &= ~ahead
    by_record = np.full(len(batch.stream), NEVER, np.int64)
    by_record[owner] = before
    return Arrival(ahead, late, by_record, streams, after)


def _running(
    stream: NDArray[np.int64], reached: NDArray[np.int64], watermark: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each record's watermark before it; the streams, and their watermarks after all records."""
    order = np.argsort(stream, kind="stable")
    sorted_stream = stream[order]
    head = np.diff(sorted_stream, prepend=-1) != 0
    segment = np.cumsum(head) - 1
    streams = sorted_stream[head]
    known = watermark[streams]
    level = reached[order]
    level[head] = np.maximum(level[head], known)
    # Ranks instead of times, so that a running maximum can start anew at each stream.
    levels, rank = np.unique(level, return_inverse=True)
    running = np.maximum.accumulate(segment * len(levels) + rank) - segment * len(levels)
    after = levels[running]
    before_sorted = np.empty_like(after)
    before_sorted[1:] = after[:-1]
    before_sorted[head] = known
    before = np.empty_like(after)
    before[order] = before_sorted
    return before, streams, after[np.append(np.flatnonzero(head)[1:], len(after)) - 1]
