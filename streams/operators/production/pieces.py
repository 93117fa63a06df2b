"""What an asset made in a pane of time: by how much its counters rose, and for which order.

Pieces count when the counter shows them, for the order and product that are shown then. Where the
asset was not heard between two readings of a counter, or its order not known, nobody saw for which
order it rose: these pieces are flagged, and count for an order only if that was shown all the
while. So are pieces flagged that another source counts while the asset is not heard: they count for
the last order.

Pieces that were made in time of which the state is not known, or not all of it, say from when to
when (`since`, `until`): they are a speed only beside as much of it as is known.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from penstock.lines import PIECES
from penstock.settings.tags import Role
from penstock.work_units import Name
from schemas import ProductionPieces
from streams.operators.production.counting import SLACK, most_plausible, rise
from streams.operators.production.elements import UNKNOWN, Elements, Segment
from streams.operators.production.tracks import Run, Track


class _Origin(NamedTuple):
    """For which order and product; where that time is not known, from when to when."""

    order: str
    product: str
    since: int | None = None
    until: int | None = None

    @property
    def place(self) -> tuple[str, str, int, int]:
        """Orders them."""
        return self.order, self.product, self.since or 0, self.until or 0


@dataclass(frozen=True, slots=True)
class Pieces:
    """Makes the pieces of panes.

    Args:
        elements: The asset's states, and what it showed.
        counters: Tracks of its counters.
        plausible_rate: How many times faster than planned a counter may go up.
    """

    elements: Elements
    counters: Mapping[Name, Track]
    plausible_rate: float

    def made(self, pane: Sequence[Segment], flags: set[str]) -> tuple[ProductionPieces, ...]:
        """What was made in a pane of these segments; adds what is doubtful to `flags`."""
        unit = self.elements.unit
        counted = {one.role for one in unit.counters.values()}
        found: dict[_Origin, dict[str, float]] = {}
        for name, counter in unit.counters.items():
            track = self.counters.get(name)
            for before, run in _rises(track, pane[0].begin, pane[-1].end) if track else ():
                at, product = run[0], self.elements.text(Role.PRODUCT, run[0])
                most = self._most(at - before[1], product)
                more, doubt = rise(before[2], run[2], counter.maximum, most)
                if doubt:
                    flags.add(f"counter {name[1]} {doubt}")
                origin, seen = self._origin(before[1], at, more, pane)
                if not seen:
                    flags.add(f"counter {name[1]} rose unseen")
                made = found.setdefault(origin, {})
                made[counter.role] = made.get(counter.role, 0.0) + more
        ordered = sorted(found.items(), key=lambda one: one[0].place)
        return tuple(_told(origin, made, counted) for origin, made in ordered)

    def _origin(
        self, before: int, at: int, more: float, pane: Sequence[Segment]
    ) -> tuple[_Origin, bool]:
        """Where pieces belong by which a counter rose between two readings; and was it seen?"""
        elements = self.elements
        segment = pane[bisect_right(pane, at, key=lambda one: one.begin) - 1]
        heard = elements.heard_since(at)
        goes_on = heard is None and at - before <= elements.hold  # another source counts

        def seen(role: str) -> bool:
            again = max(at if heard is None else heard, elements.known_since(role, at, before))
            return before >= again or more <= self._shown_since(at - again, segment.product)

        same = heard is not None and elements.order_since(at) <= before
        order = segment.order if seen(Role.ORDER) or same or goes_on else ""
        span: tuple[int | None, int | None] = (before, at)
        if seen(elements.state_role) or goes_on:
            unknown = segment.element == UNKNOWN
            span = (segment.begin, segment.end) if unknown else (None, None)
        return _Origin(order, segment.product, *span), seen(Role.ORDER)

    def _shown_since(self, elapsed: int, product: str) -> float:
        """How many pieces are taken as made when they show, so long after all was known again.

        A counter that is sent only when it changes has a last reading as old as its value. So these
        are a piece or two, if they can have been made since; without a run time, after `hold`.
        """
        if self.elements.unit.run_time(product) is None:
            return SLACK if elapsed > self.elements.hold else 0.0
        return min(self._most(elapsed, product) - SLACK, SLACK)

    def _most(self, elapsed: int, product: str) -> float:
        return most_plausible(elapsed, self.elements.unit.run_time(product), self.plausible_rate)


def _told(origin: _Origin, made: Mapping[str, float], counted: Set[str]) -> ProductionPieces:
    good, scrap, total = (made.get(one, 0.0) if one in counted else math.nan for one in PIECES)
    return ProductionPieces(
        origin.order, origin.product, good, scrap, total, origin.since, origin.until
    )


def _rises(track: Track, start: int, end: int) -> Iterator[tuple[Run, Run]]:
    """Each run that begins within a span, after the run before it."""
    runs = track.runs[max(track.index(start - 1), 0) : track.index(end - 1) + 1]
    return ((before, run) for before, run in pairwise(runs) if run[0] >= start)
