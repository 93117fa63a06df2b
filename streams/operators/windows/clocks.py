"""Whether the clocks of streams can be trusted: which run away, and how many samples that cost.

A clock runs away from the first record with a sample ahead of ingest + `clock_ahead` on, until a
record comes that has none. Its samples are set aside, so it moves no watermark, not even its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.operator import ClockState, SampleBatch, SourceClock
from streams.operators.windows.parameters import NEVER
from streams.operators.windows.partition import grown

CLOCK: Final = np.dtype(
    [("since", "<i8"), ("set_aside", "<i8"), ("runaway", "?"), ("changed", "?")]
)
"""A clock: ingest time of the first record of this state, how many samples were ever set aside,
whether it runs away, whether it changed since its state was saved."""


class Clocks:
    """The clocks of a partition's streams, by the streams' numbers.

    Attributes:
        rows: `CLOCK` of each stream.
    """

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(0, CLOCK)
        self._runaways = 0

    def take(
        self, batch: SampleBatch, streams: NDArray[np.int64], ahead: NDArray[np.bool_] | None
    ) -> None:
        """Note what the records of a batch, which holds a sample, say of their clocks.

        Args:
            batch: The samples.
            streams: (R) the stream of each record.
            ahead: (N) the samples that are set aside; None: there is none.
        """
        self._know(int(streams.max()) + 1)
        unknown = self.rows["since"][streams] == NEVER
        if ahead is None and not self._runaways and not unknown.any():
            return
        first = np.flatnonzero(np.diff(batch.record, prepend=np.int32(-1)))
        owner = batch.record[first]
        counts = np.zeros(len(first), np.int64)
        if ahead is not None:
            counts = np.add.reduceat(ahead, first, dtype=np.int64)
        ingest = batch.ingest[owner].tolist()
        for stream, at, count in zip(streams[owner].tolist(), ingest, counts.tolist(), strict=True):
            clock = self.rows[stream]
            if clock["since"] == NEVER or bool(clock["runaway"]) != bool(count):
                self._runaways += bool(count) - int(clock["runaway"])
                clock["since"], clock["runaway"], clock["changed"] = at, bool(count), True
            if count:
                clock["set_aside"] += count
                clock["changed"] = True

    def named(
        self, names: Sequence[tuple[str, str]], idle: Mapping[int, int]
    ) -> dict[tuple[str, str], SourceClock]:
        """The clocks by the streams' names; `idle` says when a stream that is was last heard."""
        found = {}
        for stream, (since, set_aside, runaway, _) in enumerate(self.rows.tolist()):
            if since == NEVER or stream >= len(names):
                continue
            state = ClockState.RUNAWAY if runaway else ClockState.OK
            clock = SourceClock(state, since, set_aside)
            if stream in idle:
                clock = replace(clock, state=ClockState.IDLE, since=idle[stream])
            found[names[stream]] = clock
        return found

    def load(self, stream: int, since: int, set_aside: int, runaway: bool) -> None:
        """Take a saved clock back."""
        self._know(stream + 1)
        self.rows[stream] = (since, set_aside, runaway, False)
        self._runaways += runaway

    def take_changed(self) -> list[int]:
        """The streams whose clocks changed since the last call."""
        changed: list[int] = np.flatnonzero(self.rows["changed"]).tolist()
        self.rows["changed"] = False
        return changed

    def _know(self, streams: int) -> None:
        known = len(self.rows)
        if known < streams:
            self.rows = grown(self.rows, streams)
            self.rows["since"][known:] = NEVER
