"""What an asset did in a pane of time: durations, pieces and failures, cut at its borders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.settings.tags import Role
from penstock.shifts import PLANNED
from penstock.work_units import Name
from schemas import FailureTime, ProductionTime
from streams.operators.production.elements import (
    FAILURE,
    Elements,
    Segment,
    with_minor_stops,
)
from streams.operators.production.parameters import ProductionParameters
from streams.operators.production.pieces import Pieces
from streams.operators.production.tracks import Track

_MOST_FLAGS: Final = 8


@dataclass(frozen=True, slots=True)
class Painter:
    """Makes the contents of panes.

    Args:
        parameters: Lengths and rates.
        elements: The asset's states.
        counters: Tracks of its counters.
    """

    parameters: ProductionParameters
    elements: Elements
    counters: Mapping[Name, Track]

    def paint(self, start: int, level: int) -> dict[str, Any]:
        """Fields of the partial of the pane that begins at `start`, as known at a time.

        Args:
            start: Microseconds.
            level: Event time up to which all is known.
        """
        end = start + self.parameters.every
        segments = self.segments(start, end, level)
        flags = {f"state {one.strange} is not mapped" for one in segments if one.strange}
        pieces = Pieces(self.elements, self.counters, self.parameters.plausible_rate)
        return {
            "order": self.elements.last_text(Role.ORDER, end - 1),
            "times": self._times(segments),
            "pieces": pieces.made(segments, flags),
            "failures": _failures(segments),
            "flags": tuple(sorted(flags)[:_MOST_FLAGS]),
        }

    def segments(self, begin: int, end: int, level: int) -> list[Segment]:
        """The segments from `begin` to before `end`, with minor stops told apart."""
        below = self.parameters.minor_stop_below
        around = list(self.elements.segments(begin - below, min(end + below, level)))
        told = with_minor_stops(around, below, open_end=True)
        return [
            one._replace(begin=max(one.begin, begin), end=min(one.end, end))
            for one in told
            if one.begin < end and one.end > begin
        ]

    def _times(self, segments: Sequence[Segment]) -> tuple[ProductionTime, ...]:
        calendar = self.elements.unit.calendar
        found: dict[tuple[str, str, str, str], tuple[int, int, int]] = {}
        for one in segments:
            parts = calendar.planning(one.begin, one.end) if calendar else _always(one)
            for begin, end, planning in parts:
                key = (one.order, one.product, one.element, planning)
                duration, first, _ = found.get(key, (0, begin, end))
                found[key] = (duration + end - begin, first, end)
        return tuple(ProductionTime(*key, *found[key]) for key in sorted(found))


def _failures(segments: Sequence[Segment]) -> tuple[FailureTime, ...]:
    found: list[FailureTime] = []
    for one in segments:
        if one.element == FAILURE:
            if found and found[-1].end == one.begin:
                found[-1] = FailureTime(found[-1].begin, one.end)
            else:
                found.append(FailureTime(one.begin, one.end))
    return tuple(found)


def _always(one: Segment) -> Iterator[tuple[int, int, str]]:
    yield one.begin, one.end, PLANNED
