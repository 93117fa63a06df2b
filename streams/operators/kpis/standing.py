"""How much of an asset's pieces stands against time of which the state is known.

Σ PRU × pieces is a speed only beside the time in which they were made. Of time that is not known
(`PBT` has none of it) the pieces are left out: those of a silence, those that show while the state
is bad, and in a line's figures those of a pane in which its constraint is known for a shorter time.
"""

from schemas import ProductionPartial, ProductionPieces
from streams.operators.production.elements import UNKNOWN


def beside_own(pieces: ProductionPieces, begin: int, *, states: bool) -> float:
    """The share of pieces that stands against known time of the unit that made them, 0 to 1.

    Args:
        pieces: The pieces.
        begin: Of the window; what was made before is in no time of it.
        states: Whether the unit has states; without, all time is as good as any.
    """
    if pieces.since is None:
        return 1.0 if pieces.state_known or not states else 0.0
    if pieces.until is None or pieces.known_until is None or pieces.until <= pieces.since:
        return 0.0
    known = pieces.known_until - max(pieces.since, begin)
    return max(known, 0) / (pieces.until - pieces.since)


def beside_constraint(
    pieces: ProductionPieces, pane: ProductionPartial, there: ProductionPartial | None, begin: int
) -> float:
    """The share of pieces that stands against known time of the line's constraint, 0 to 1.

    Of a pane only how long states are known is looked at: those of both units are taken as known
    together as far as they can be.

    Args:
        pieces: Of another unit.
        pane: In which they were counted.
        there: The constraint's pane of that time.
        begin: Of the window.
    """
    if pieces.since is not None:
        return beside_own(pieces, begin, states=True)
    mine, theirs = known_time(pane), known_time(there) if there else 0
    if not pieces.state_known:
        mine, theirs = pane.pane_size - mine, max(theirs - mine, 0)
    return min(theirs / mine, 1.0) if mine else 0.0


def known_time(pane: ProductionPartial) -> int:
    """Microseconds of a pane of which the state is known."""
    return sum(one.duration for one in pane.times if one.element != UNKNOWN)
