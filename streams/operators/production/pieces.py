"""What an asset made in a pane of time: by how much its counters rose, and for which order.

Pieces count when the counter shows them, for the order and product that are shown then. Where it
shows more than can have been made since the asset was heard again, they were made at any time since
its last reading: they are flagged and have `since`, and count for an order only if that was shown
all the while. `known` says how much of that time is known, which they stand against.
"""

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from penstock.lines import PIECES
from penstock.settings.tags import Role
from penstock.work_units import Name
from schemas import ProductionPieces
from streams.operators.production.counting import SLACK, most_plausible, rise
from streams.operators.production.elements import Elements
from streams.operators.production.tracks import Run, Track


class _Origin(NamedTuple):
    """For which order and product, since when, and how much of the time since then is known."""

    order: str
    product: str
    since: int | None = None
    known: float = 1.0

    @property
    def place(self) -> tuple[str, str, int, float]:
        """Orders them."""
        return self.order, self.product, self.since or 0, self.known


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

    def made(self, start: int, end: int, flags: set[str]) -> tuple[ProductionPieces, ...]:
        """What was made from `start` to before `end`; adds what is doubtful to `flags`."""
        unit = self.elements.unit
        counted = {one.role for one in unit.counters.values()}
        found: dict[_Origin, dict[str, float]] = {}
        for name, counter in unit.counters.items():
            track = self.counters.get(name)
            for before, run in _rises(track, start, end) if track else ():
                product = self.elements.text(Role.PRODUCT, run[0])
                most = self._most(run[0] - before[1], product)
                more, doubt = rise(before[2], run[2], counter.maximum, most)
                if doubt:
                    flags.add(f"counter {name[1]} {doubt}")
                origin = self._origin(before[1], run[0], more, product)
                if origin.since is not None:
                    flags.add(f"counter {name[1]} rose while nothing was heard")
                made = found.setdefault(origin, {})
                made[counter.role] = made.get(counter.role, 0.0) + more
        ordered = sorted(found.items(), key=lambda one: one[0].place)
        return tuple(_told(origin, made, counted) for origin, made in ordered)

    def _origin(self, before: int, at: int, more: float, product: str) -> _Origin:
        """Where pieces belong by which a counter rose.

        A counter that is sent only when it changes has a last reading as old as its value. So not
        every silence since then was one in which they were made.

        Args:
            before: The last reading of the counter.
            at: This one.
            more: The pieces.
            product: What is shown now.
        """
        elements, order = self.elements, self.elements.text(Role.ORDER, at)
        heard = elements.heard_since(at)
        begin = at if heard is None else heard
        again = max(begin, elements.order_known_since(at, before))
        if before >= again or more <= self._most_since(again, at, product):
            return _Origin(order, product)
        unknown = max(begin - before - elements.hold, 0) / (at - before)
        shown = heard is not None and elements.order_since(at) <= before
        return _Origin(order if shown else "", product, before, 1.0 - unknown)

    def _most(self, elapsed: int, product: str) -> float:
        return most_plausible(elapsed, self.elements.unit.run_time(product), self.plausible_rate)

    def _most_since(self, again: int, at: int, product: str) -> float:
        """What can have been made since the asset was heard again; without a run time by `hold`."""
        if self.elements.unit.run_time(product) is None and at - again <= self.elements.hold:
            return SLACK
        return self._most(at - again, product)


def _told(origin: _Origin, made: Mapping[str, float], counted: Set[str]) -> ProductionPieces:
    good, scrap, total = (made.get(one, 0.0) if one in counted else math.nan for one in PIECES)
    return ProductionPieces(
        origin.order, origin.product, good, scrap, total, origin.since, origin.known
    )


def _rises(track: Track, start: int, end: int) -> Iterator[tuple[Run, Run]]:
    """Each run that begins within a span, after the run before it."""
    runs = track.runs[max(track.index(start - 1), 0) : track.index(end - 1) + 1]
    return ((before, run) for before, run in pairwise(runs) if run[0] >= start)
