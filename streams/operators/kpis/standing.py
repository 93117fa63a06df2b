"""How many of an asset's pieces stand against time of which the state is known.

Σ PRU × pieces is a speed only beside the time in which they were made. Of time that is not known
(`PBT` has none of it) the pieces are left out: those of a silence, those counted while the state
was bad, and in a line's figures those of a time in which nobody knows what its constraint did.
"""

import math
from collections.abc import Iterator, Mapping

from schemas import ProductionPartial, ProductionPieces
from streams.operators.production.elements import UNKNOWN

Panes = Mapping[int, ProductionPartial]
"""The panes of an asset, by start."""


def standing(
    pieces: ProductionPieces,
    pane: ProductionPartial,
    mine: Panes,
    keeper: Panes,
    begin: int,
) -> float:
    """The share of pieces that stands against known time of a window, 0 to 1.

    Args:
        pieces: Of `pane`.
        pane: In which they were counted.
        mine: Those of the asset that made them.
        keeper: Those of the unit whose time it is: the same, or the line's constraint.
        begin: Of the window; what was made before is in no time of it.
    """
    start, end = pane.span
    if pieces.since is not None:  # made evenly in that time, some of which may be known
        if pieces.until is None or pieces.until <= pieces.since:
            return 0.0
        known = known_time(keeper, max(pieces.since, begin), pieces.until, pane.pane_size)
        return known / (pieces.until - pieces.since)
    if keeper is mine:
        return 1.0
    known = known_time(mine, start, end, pane.pane_size)
    return min(known_time(keeper, start, end, pane.pane_size) / known, 1.0) if known else 0.0


def known_time(panes: Panes, begin: int, end: int, every: int) -> float:
    """Microseconds between two times of which the state is known; of no pane it is."""
    return math.fsum(_known(one, begin, end) for one in _between(panes, begin, end, every))


def _between(panes: Panes, begin: int, end: int, every: int) -> Iterator[ProductionPartial]:
    starts = range(begin // every * every, end, every)
    few = starts if len(starts) < len(panes) else panes  # a silence may be long, and has none
    return (panes[start] for start in few if start in panes and start in starts)


def _known(pane: ProductionPartial, begin: int, end: int) -> float:
    """A pane's times have but their outermost bounds: between them they are taken as even."""
    low, high = max(begin, pane.pane_start), min(end, pane.pane_start + pane.pane_size)
    unknown = math.fsum(
        max(min(one.end, high) - max(one.begin, low), 0) * one.duration / (one.end - one.begin)
        for one in pane.times
        if one.element == UNKNOWN and one.end > one.begin
    )
    return max(high - low - unknown, 0.0)
