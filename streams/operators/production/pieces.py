"""What an asset made in a pane of time: by how much its counters rose, and for which order.

Pieces count when the counter shows them, for the order and product that are shown then. Where the
asset was not heard between two readings of a counter, or its order not known, nobody saw for which
order it rose: these pieces are flagged, and count for an order only if that was shown all the
while. So are pieces flagged that another source counts while the asset is not heard: if it is read
at least every `hold`, they count for the last order.

In which time pieces were made matters where that is not known: see `ProductionPieces`.
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


class _Span(NamedTuple):
    """In which time pieces were made, up to when its state is known; None: as they show."""

    since: int | None = None
    known_until: int | None = None
    until: int | None = None


class _Gap(NamedTuple):
    """When an asset was not heard, or what a tag says not known."""

    since: int
    until: int
    still: bool = False
    """Whether it goes on as a counter shows more, which was read last before it."""


class _Origin(NamedTuple):
    """For which order and product, in which time, and whether the state is known as they show."""

    order: str
    product: str
    span: _Span
    state_known: bool

    @property
    def place(self) -> tuple[str, str, int, int, bool]:
        """Orders them."""
        return (
            self.order,
            self.product,
            self.span.since or 0,
            self.span.until or 0,
            self.state_known,
        )


class _Rise(NamedTuple):
    """When a counter was read before and after it rose, by how much, and what is shown then.

    A product that is not known is taken as the last. `tells`: the counter is of the state's source.
    """

    before: int
    at: int
    more: float
    order: str
    product: str
    tells: bool


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
                shown = pane[bisect_right(pane, run[0], key=lambda one: one.begin) - 1]
                product = shown.product or self.elements.last_text(Role.PRODUCT, run[0])
                most = self._most(run[0] - before[1], product)
                more, doubt = rise(before[2], run[2], counter.maximum, most)
                if doubt:
                    flags.add(f"counter {name[1]} {doubt}")
                tells = name[0] == unit.state_source
                one = _Rise(before[1], run[0], more, shown.order, product, tells)
                order, seen = self._order(one)
                if not seen:
                    flags.add(f"counter {name[1]} rose unseen")
                known = shown.element != UNKNOWN
                origin = _Origin(order, product, self._span(one), known)
                made = found.setdefault(origin, {})
                made[counter.role] = made.get(counter.role, 0.0) + more
        ordered = sorted(found.items(), key=lambda one: one[0].place)
        return tuple(_told(origin, made, counted) for origin, made in ordered)

    def _order(self, one: _Rise) -> tuple[str, bool]:
        """The order for which pieces count, empty if none is known, and whether that was seen."""
        gap = self._gap(one, Role.ORDER)
        seen = self._seen(one, gap)
        same = self.elements.heard_since(one.at) is not None and self._same_order(one, gap)
        return (one.order if same or seen or self._goes_on(one) else ""), seen

    def _same_order(self, one: _Rise, gap: _Gap) -> bool:
        """Whether the order was shown all the while in which pieces can have been made.

        That is in the last time in which the asset was not heard, if it was all the time before:
        so long its counters did not rise.
        """
        elements, since = self.elements, gap.since
        heard = elements.heard_since(since)
        told = one.tells and heard is not None and heard <= one.before
        if not told or elements.unknown_before(Role.ORDER, since, one.before):
            since = one.before
        return elements.order_since(one.at) <= since

    def _span(self, one: _Rise) -> _Span:
        """In which time pieces were made that nobody saw being made."""
        elements = self.elements
        gap = self._gap(one, elements.state_role)
        if self._seen(one, gap) or self._goes_on(one):
            return _Span()
        held = elements.hold if elements.is_known(gap.since) else 0
        return _Span(gap.since, min(gap.since + held, gap.until), gap.until)

    def _goes_on(self, one: _Rise) -> bool:
        """Whether another source counts on while the asset is not heard."""
        heard = self.elements.heard_since(one.at) is not None
        return not heard and one.at - one.before <= self.elements.hold

    def _seen(self, one: _Rise, gap: _Gap) -> bool:
        """Whether a gap was over before the first of the readings, or is since long enough.

        A counter that is sent only when it changes has a last reading as old as its value. So a
        piece or two are taken as made when they show, if they can have been since all was known
        again; without a run time, after `hold`.
        """
        elapsed = one.at - gap.until
        possible = SLACK if gap.still or elapsed > self.elements.hold else 0.0
        if not gap.still and self.elements.unit.run_time(one.product) is not None:
            possible = min(self._most(elapsed, one.product) - SLACK, SLACK)
        return one.before >= gap.until or one.more <= possible

    def _gap(self, one: _Rise, role: str) -> _Gap:
        """The last time, over as a counter shows more, in which the asset was not heard.

        Or in which it was, and what a tag says not known. While the asset is heard, its counters
        tell: pieces that nobody saw being made were made in this time.
        """
        elements = self.elements
        heard = elements.heard_since(one.at)
        again = one.at if heard is None else heard
        begun = elements.unknown_since(role, one.at)
        if heard is not None and begun is not None and one.before < begun:
            return _Gap(begun, one.at, still=True)
        unknown = elements.unknown_before(role, one.at, one.before)
        if unknown is not None and unknown[1] >= again:
            return _Gap(*unknown)
        last = elements.heard_until(again)
        return _Gap(one.before if last is None else last, again)

    def _most(self, elapsed: int, product: str) -> float:
        return most_plausible(elapsed, self.elements.unit.run_time(product), self.plausible_rate)


def _told(origin: _Origin, made: Mapping[str, float], counted: Set[str]) -> ProductionPieces:
    good, scrap, total = (made.get(one, 0.0) if one in counted else math.nan for one in PIECES)
    return ProductionPieces(
        origin.order, origin.product, good, scrap, total, *origin.span, origin.state_known
    )


def _rises(track: Track, start: int, end: int) -> Iterator[tuple[Run, Run]]:
    """Each run that begins within a span, after the run before it."""
    runs = track.runs[max(track.index(start - 1), 0) : track.index(end - 1) + 1]
    return ((before, run) for before, run in pairwise(runs) if run[0] >= start)
