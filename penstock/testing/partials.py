"""Feeds an operator of lines with partials, for `penstock.testing.determinism`."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from penstock.lines import LineMembers
from penstock.operator import RecordBatch
from penstock.testing.records import RecordFeed
from schemas import LinePartial, Version

_MUCH_LATER: Final = 10**13


class PartialFeed(RecordFeed):
    """Makes batches of partials of the members of lines.

    Args:
        lines: All lines.
    """

    def __init__(self, lines: Sequence[LineMembers]) -> None:
        self._lines = lines

    @classmethod
    def of(cls, lines: Sequence[LineMembers]) -> Callable[[], "PartialFeed"]:
        """Makes feeds."""
        return lambda: cls(lines)

    def closing(self, records: Sequence[LinePartial]) -> list[LinePartial]:
        """A heartbeat of every member, much later than all partials."""
        end = max((p.window_start + p.window_size for p in records), default=0) + _MUCH_LATER
        version = Version(2**60, (), 0)
        return [
            heartbeat(line.line, *name, end, end, version)
            for line in self._lines
            for name in line.members
        ]

    def broken(self, batch: RecordBatch) -> Iterator[RecordBatch]:
        """Batches that hold what is no partial."""
        for partial in batch.records:
            yield replace(batch, records=({},))
            yield replace(batch, records=(partial, replace(partial, version=None)))
            yield replace(batch, records=(partial, replace(partial, window_size=-1)))

    def shuffled(
        self, records: Sequence[LinePartial], out_of_order: int, source: random.Random
    ) -> tuple[list[LinePartial], list[LinePartial]]:
        """Partials that move no watermark, as they are and in any order."""
        still = [replace(partial, watermark=-_MUCH_LATER) for partial in records]
        return still, source.sample(still, len(still))


def heartbeat(
    line: str, asset: str, source: str, upto: int, watermark: int, version: Version
) -> LinePartial:
    """The heartbeat of a member from which nothing more is expected before `upto`."""
    none = float("nan")
    return LinePartial(line, asset, source, upto, 0, watermark, False, none, none, none, 0, version)
