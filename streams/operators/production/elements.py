"""Which time element of ISO 22400-2 an asset was in, from what its tags said.

| element | when |
|---|---|
| `producing` | its state is one of `producing`, or the rule holds |
| `setup` | its mode is one of `setup_modes`, whatever its state |
| `delay` | its state is one of `delay` |
| `minor_stop` | a delay that was over in less than `minor_stop_below` |
| `failure`, `no_order` | its state is one of these lists |
| `unknown` | its source was not heard for `hold`, or its state is bad or none |

Another state is what `unmapped` says, and is flagged. A delay that still goes on is a delay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from penstock.settings.tags import Role
from penstock.work_units import CONDITION, WorkUnit
from streams.operators.production.tracks import Heard, Track
from streams.operators.windows.parameters import NEVER

PRODUCING: Final = "producing"
SETUP: Final = "setup"
DELAY: Final = "delay"
MINOR_STOP: Final = "minor_stop"
FAILURE: Final = "failure"
NO_ORDER: Final = "no_order"
UNKNOWN: Final = "unknown"
ELEMENTS: Final = (PRODUCING, SETUP, DELAY, MINOR_STOP, FAILURE, NO_ORDER, UNKNOWN)


class Segment(NamedTuple):
    """A time in which all stayed the same; `strange` is a state that nothing maps."""

    begin: int
    end: int
    element: str
    order: str
    product: str
    strange: str = ""


@dataclass(frozen=True, slots=True)
class Elements:
    """What is known of an asset's states.

    Args:
        unit: The asset.
        tracks: By what they are followed as.
        heard: When the source of its state was heard.
        hold: For how long after that its values hold.
    """

    unit: WorkUnit
    tracks: Mapping[str, Track]
    heard: Heard
    hold: int

    def segments(self, begin: int, end: int) -> Iterator[Segment]:
        """The segments from `begin` to before `end`, in order, without gaps."""
        if begin >= end:
            return
        known = list(self.heard.covered(begin, end, self.hold))
        cuts = {begin, *(time for span in known for time in span)}
        for role, track in self.tracks.items():
            wait = self.unit.rule.duration if role == CONDITION and self.unit.rule else 0
            cuts |= {run[0] for run in track.changes(begin, end)}
            if wait:
                cuts |= {run[0] + wait for run in track.changes(begin - wait, end - wait)}
        ordered = sorted(cut for cut in cuts if begin <= cut < end)
        for at, until in zip(ordered, [*ordered[1:], end], strict=True):
            alive = any(low <= at < high for low, high in known)
            element, strange = self._element(at) if alive else (UNKNOWN, "")
            yield Segment(
                at, until, element, self.text(Role.ORDER, at), self.text(Role.PRODUCT, at), strange
            )

    def text(self, role: Role, at: int) -> str:
        """What a tag of names says at a time; empty: nothing."""
        track = self.tracks.get(role.value)
        value = track.at(at) if track else None
        return "" if value is None else str(value)

    def last_text(self, role: Role, at: int) -> str:
        """As `text`; while that is not known, what was said before; empty: nothing."""
        track = self.tracks.get(role.value)
        value = track.last_known(at) if track else None
        return "" if value is None else str(value)

    def order_since(self, at: int) -> int:
        """Since when the order of a time was shown, whether or not it was known all the while."""
        return self._orders.same_since(at)

    def unknown_before(self, role: str, at: int, after: int) -> tuple[int, int] | None:
        """The last time, over by `at` and after another, in which what a tag says was not known.

        None: it always was.
        """
        track = self.tracks.get(role)
        return track.unknown_before(at, after) if track else None

    def unknown_since(self, role: str, at: int) -> int | None:
        """Since when, at a time, what a tag says is not known; None: it is, or there is no tag."""
        track = self.tracks.get(role)
        return track.unknown_since(at) if track else None

    def is_known(self, at: int) -> bool:
        """Whether the state is known at a time at which its source was heard."""
        return self._element(at)[0] != UNKNOWN

    def heard_until(self, before: int) -> int | None:
        """When the source of the state was last heard before a time that begins a span."""
        return self.heard.last_before(before)

    @property
    def state_role(self) -> str:
        """What the tag is followed as that tells the state."""
        return CONDITION if self.unit.rule else Role.STATE.value

    @property
    def _orders(self) -> Track:
        return self.tracks.get(Role.ORDER.value) or Track()

    def heard_since(self, at: int) -> int | None:
        """Since when, until a time, the source of the state was heard; None: it is not.

        Without such a source: `NEVER`.
        """
        return self.heard.since(at, self.hold) if self.unit.state_source else NEVER

    def _element(self, at: int) -> tuple[str, str]:
        states, rule = self.unit.states, self.unit.rule
        if states is None:
            return UNKNOWN, ""
        if rule is not None:
            return self._of_rule(at), ""
        if self._value(Role.MODE, at) in states.setup_modes:
            return SETUP, ""
        state = self._value(Role.STATE, at)
        if state is None:
            return UNKNOWN, ""
        for element, codes in (
            (PRODUCING, states.producing),
            (DELAY, states.delay),
            (FAILURE, states.failure),
            (NO_ORDER, states.no_order),
        ):
            if state in codes:
                return element, ""
        return states.unmapped, str(state)

    def _of_rule(self, at: int) -> str:
        """The rule is an on-delay timer: it holds once the condition has held for so long."""
        assert self.unit.rule is not None and self.unit.states is not None
        track = self.tracks.get(CONDITION)
        place = track.index(at) if track else -1
        if track is None or place < 0 or track.runs[place][2] is None:
            return UNKNOWN
        first, _, holds = track.runs[place]
        held = holds and first + self.unit.rule.duration <= at
        return PRODUCING if held else self.unit.states.otherwise

    def _value(self, role: Role, at: int) -> Any:
        track = self.tracks.get(role.value)
        return track.at(at) if track else None


def with_minor_stops(segments: Sequence[Segment], below: int, *, open_end: bool) -> list[Segment]:
    """The segments, with delays that were over in less than `below` as minor stops.

    Args:
        segments: In order, without gaps.
        below: Microseconds.
        open_end: Whether what goes on at the end may go on: then it is a delay.
    """
    found = list(segments)
    first = 0
    while first < len(found):
        last = first
        if found[first].element == DELAY:
            while last + 1 < len(found) and found[last + 1].element == DELAY:
                last += 1
            inside = first > 0 and not (open_end and last == len(found) - 1)
            if inside and found[last].end - found[first].begin < below:
                for place in range(first, last + 1):
                    found[place] = found[place]._replace(element=MINOR_STOP)
        first = last + 1
    return found
