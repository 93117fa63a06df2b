"""What an asset made in a pane of time: by how much its counters rose, and for which order.

Pieces count when the counter shows them, for the order and product that are shown then. Those that
a counter shows first after a silence were made at any time since its last reading: they are flagged
and told apart by `since`, and count for an order only if it was shown all the while.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from penstock.lines import PIECES
from penstock.settings.tags import Role
from penstock.work_units import Name
from schemas import ProductionPieces
from streams.operators.production.counting import most_plausible, rise
from streams.operators.production.elements import Elements
from streams.operators.production.tracks import Run, Track

_Key = tuple[str, str, int]
"""Order, product, and `since`; 0: they were heard of as they were made."""


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
        found: dict[_Key, dict[str, float]] = {}
        for name, counter in unit.counters.items():
            track = self.counters.get(name)
            for before, run in _rises(track, start, end) if track else ():
                product = self.elements.text(Role.PRODUCT, run[0])
                most = self._most(run[0] - before[1], product)
                more, doubt = rise(before[2], run[2], counter.maximum, most)
                if doubt:
                    flags.add(f"counter {name[1]} {doubt}")
                since = self._since(name, before, run[0], more, product)
                if since:
                    flags.add(f"counter {name[1]} rose by {more:g} while nothing was heard")
                made = found.setdefault((self._order(run[0], since), product, since), {})
                made[counter.role] = made.get(counter.role, 0.0) + more
        return tuple(
            ProductionPieces(
                order,
                product,
                **{one: made.get(one, 0.0) if one in counted else math.nan for one in PIECES},
                since=since or None,
            )
            for (order, product, since), made in sorted(found.items())
        )

    def _since(self, name: Name, before: Run, at: int, more: float, product: str) -> int:
        """Since when pieces may have been made of which nobody heard; 0: they were heard of.

        What can have been made since the asset is heard again was made since then. A counter that
        is sent only when it changes has a last reading as old as its value: that another counter
        has changed since tells that it was heard, too.
        """
        again = self.elements.unbroken_since(name[0], at)
        if not more or before[1] >= again or at - again > self.elements.hold:
            return 0
        known = self.elements.unit.run_time(product) is not None
        if at > again and known and more <= self._most(at - again, product):
            return 0
        changed = (track.changed_before(again) for track in self.counters.values())
        return max(int(before[1]), *changed)

    def _order(self, at: int, since: int) -> str:
        """The order for which pieces count."""
        if since and self.elements.order_since(at) > since:
            return ""
        return self.elements.text(Role.ORDER, at)

    def _most(self, elapsed: int, product: str) -> float:
        return most_plausible(elapsed, self.elements.unit.run_time(product), self.plausible_rate)


def _rises(track: Track, start: int, end: int) -> Iterator[tuple[Run, Run]]:
    """Each run that begins within a span, after the run before it."""
    runs = track.runs[max(track.index(start - 1), 0) : track.index(end - 1) + 1]
    return ((before, run) for before, run in pairwise(runs) if run[0] >= start)
