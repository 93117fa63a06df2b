"""One asset: what its tags said, up to which time that is known, and which panes it changes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.lines import PIECES
from penstock.operator import TOO_LATE
from penstock.settings.tags import Role
from penstock.work_units import CONDITION, Name, WorkUnit
from schemas import LateChange
from streams.operators.production.elements import DELAY, MINOR_STOP, Elements
from streams.operators.production.panes import Painter
from streams.operators.production.parameters import ProductionParameters
from streams.operators.production.tracks import Heard, Track
from streams.operators.windows.parameters import NEVER

Event = tuple[int, Name, Any]
"""(time, (source, tag), value) of a sample of a tag that is followed; None: its quality is bad."""

_MOST_LATE: Final = 8
CONTRADICTION: Final = "contradicts what was known before and after"
"""Why a late sample is refused; that its source was there it tells all the same."""
CODES: Final = (Role.STATE.value, Role.MODE.value, Role.REASON.value)


@dataclass(slots=True)
class AssetState:
    """What is known of an asset.

    Args:
        unit: The asset.
        parameters: Lengths and rates.
        levels: Watermark of each source that was heard.
        folded: Up to when everything is known; what comes at or before is late.
        pending: Samples after that, in order of arrival.
        tracks: By tag.
        heard: When the source of its state was heard.
        late: The late samples that changed each pane.
    """

    unit: WorkUnit
    parameters: ProductionParameters
    levels: dict[str, int] = field(default_factory=dict)
    folded: int = NEVER
    pending: list[Event] = field(default_factory=list)
    tracks: dict[Name, Track] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    late: dict[int, list[LateChange]] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    """Panes that changed since they were last published."""
    touched: set[int] = field(default_factory=set)
    """Panes whose runs changed since they were last saved."""
    emptied: set[int] = field(default_factory=set)
    """Published panes of which nothing may be known any more; to publish with this record."""

    @property
    def horizon(self) -> int:
        """What is at or before this time comes too late."""
        return NEVER if self.folded == NEVER else self.folded - self.parameters.reopen_for

    def take(self, event: Event) -> str:
        """Take a sample; gives why it is refused, or nothing."""
        time = event[0]
        if time > self.folded:
            self.pending.append(event)
            return ""
        if time <= self.horizon:
            return TOO_LATE
        return self._insert(event)

    def hear(self, source: str, low: int, high: int) -> None:
        """A source was heard from one time to another, without a longer silence in between."""
        low = max(low, self.horizon + 1)
        if source != self.unit.state_source or low > high:
            return
        hold = self.parameters.hold
        new = (low, min(high + hold, self.folded))
        if new[0] < new[1] and list(self.heard.covered(*new, hold)) != [new]:
            self._mark(*new)
        self.heard.add(low, high, hold)

    def advance(self, source: str, watermark: int) -> None:
        """A source's watermark has moved: fold what it has passed.

        A source that is behind the others by more than `hold` does not hold them up; what it
        brings later changes panes that are published.
        """
        self.levels[source] = max(self.levels.get(source, NEVER), watermark)
        levels = self.levels.values()
        level = max(min(levels), max(levels) - self.parameters.hold)
        if level <= self.folded:
            return
        due = sorted((e for e in self.pending if e[0] <= level), key=lambda event: event[0])
        if due:
            self.pending = [event for event in self.pending if event[0] > level]
        for time, name, value in due:
            if (taken := self._value(name, value)) is not None or name not in self.unit.counters:
                self._touch(self._track(name).append(time, taken))
        before, self.folded = self.folded, level
        self._close(before)

    def painter(self) -> Painter:
        """Makes the contents of its panes."""
        counters = {name: t for name, t in self.tracks.items() if name in self.unit.counters}
        return Painter(self.parameters, self._elements(), counters)

    def publishable(self) -> list[int]:
        """The panes to publish: those that changed and are over; they are clean now."""
        every = self.parameters.every
        due = sorted(pane for pane in self.dirty if pane + every <= self.folded)
        self.dirty.difference_update(due)
        emptied, self.emptied = self.emptied, set()
        return [pane for pane in due if pane in emptied or self._alive(pane)]

    def forget(self) -> None:
        """Forget what no sample can change any more."""
        if self.folded == NEVER:
            return
        every, below = self.parameters.every, self.parameters.minor_stop_below
        horizon = self.horizon - 2 * every - below - self.parameters.hold
        for track in self.tracks.values():
            self._touch(track.forget(horizon))
        self.heard.forget(horizon, self.parameters.hold)
        for pane in [pane for pane in self.late if pane < horizon]:
            del self.late[pane]

    def as_known(self, frontier: int, shown: int) -> tuple["AssetState", list[int]]:
        """What it would be, were nothing more to come before a time, and its panes since another.

        Only what is needed to paint these panes is in it.
        """
        every, below = self.parameters.every, self.parameters.minor_stop_below
        begin = self.folded // every * every
        other = AssetState(self.unit, self.parameters, {"": frontier}, self.folded, late=self.late)
        recent = begin - below - every - self.parameters.hold
        other.tracks = {name: track.recent(recent) for name, track in self.tracks.items()}
        other.heard.spans = [list(span) for span in self.heard.spans]
        other.pending = list(self.pending)
        other.advance("", frontier)
        return other, [pane for pane in other.publishable() if pane + every > shown]

    def _elements(self) -> Elements:
        roles = {
            role: self.tracks[name]
            for name, role in self.unit.tracks.items()
            if role not in PIECES and role != Role.REASON and name in self.tracks
        }
        return Elements(self.unit, roles, self.heard, self.parameters.hold)

    def _alive(self, pane: int) -> bool:
        """Whether anything is known of a pane."""
        end = pane + self.parameters.every
        if any(True for _ in self.heard.covered(pane, end, self.parameters.hold)):
            return True
        counters = (self.tracks[name] for name in self.unit.counters if name in self.tracks)
        return any(pane <= run[0] < end for t in counters for run in t.changes(pane - 1, end))

    def _insert(self, event: Event) -> str:
        time, name, given = event
        value = self._value(name, given)
        if value is None and name in self.unit.counters:
            return ""
        changed = self._track(name).insert(time, value)
        if changed is None:
            return CONTRADICTION
        self.emptied |= self._touch(changed[0])
        until = self.folded if changed[1] < 0 else changed[1]
        if until != time and self.unit.tracks[name] in (Role.ORDER, Role.PRODUCT):
            again = self._track(name).known_again(until)  # till then its name stays the last known
            until = self.folded if again is None else again
        if changed[1] != time:
            self._mark(time, until, LateChange(name[1], time, str(value)))
        elif name in self.unit.counters:
            self._mark_rises(time)
        return ""

    def _mark(self, begin: int, end: int, late: LateChange | None = None) -> None:
        """Panes between two times have changed, and may have around them by minor stops."""
        every, below = self.parameters.every, self.parameters.minor_stop_below
        begin, end = max(begin, self.horizon + 1), min(end, self.folded)
        for pane in range(begin // every * every, end + 1, every):
            if late is not None:
                self.late[pane] = [*self.late.get(pane, []), late][-_MOST_LATE:]
        first, last = max(begin - below, self.horizon), min(end + below, self.folded)
        self.dirty.update(range(first // every * every, last + 1, every))
        self._mark_rises(end)

    def _mark_rises(self, after: int) -> None:
        """The panes in which counters rise next: who was heard before decides what that means."""
        every = self.parameters.every
        for track in (self.tracks[name] for name in self.unit.counters if name in self.tracks):
            following = next(track.changes(after, self.folded + 1), None)
            if following is not None and following[0] > self.horizon:
                self.dirty.add(following[0] // every * every)

    def _close(self, before: int) -> None:
        """Note the panes that the asset's time has passed since, and minor stops that ended."""
        every, hold = self.parameters.every, self.parameters.hold
        begin = before if before != NEVER else self._beginning()
        for low, high in self.heard.covered(begin, self.folded, hold):
            self.dirty.update(range(low // every * every, high, every))
        for name in self.unit.counters:
            if name in self.tracks:
                for run in self.tracks[name].changes(begin, self.folded + 1):
                    self.dirty.add(run[0] // every * every)
        if before != NEVER:
            self._minor_stop(before)

    def _beginning(self) -> int:
        firsts = [track.runs[0][0] for track in self.tracks.values() if track.runs]
        firsts += [span[0] for span in self.heard.spans]
        return min(firsts, default=self.folded) - 1

    def _minor_stop(self, before: int) -> None:
        """A delay that was open at a time, and had panes published, may be a minor stop now."""
        every, below = self.parameters.every, self.parameters.minor_stop_below
        if next(self._elements().segments(before - 1, before)).element != DELAY:
            return
        if self.painter().segments(before - 1, before, self.folded)[0].element == MINOR_STOP:
            self.dirty.update(range((before - below) // every * every, before, every))

    def _track(self, name: Name) -> Track:
        return self.tracks.setdefault(name, Track())

    def _touch(self, firsts: list[int]) -> set[int]:
        """Have the panes saved in which runs begin; gives them."""
        every = self.parameters.every
        panes = {first // every * every for first in firsts}
        self.touched |= panes
        return panes

    def _value(self, name: Name, value: Any) -> Any:
        """A sample as its track holds it; None: nothing is known."""
        role = self.unit.tracks[name]
        if value is None:
            return None
        if role == CONDITION:
            assert self.unit.rule is not None
            return None if isinstance(value, str) else self.unit.rule.holds(value)
        if role in PIECES:
            return None if isinstance(value, str) else float(value)
        if role in CODES:
            return _code(value)
        return value if isinstance(value, str) else f"{value:.15g}"


def _code(value: float | str) -> int | str:
    """A state as it is listed: a whole number if it is one, else as text."""
    try:
        return int(value) if float(value).is_integer() else str(value)
    except (ValueError, OverflowError):
        return str(value)


def runs_by_pane(state: AssetState, pane: int) -> Iterator[tuple[Name, list[Any]]]:
    """The runs of each tag that begin in a pane."""
    end = pane + state.parameters.every
    for name, track in sorted(state.tracks.items()):
        runs = list(track.changes(pane - 1, end))
        if runs:
            yield name, runs
