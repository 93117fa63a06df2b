"""What one tag said over time, as runs of equal values, and when a source was heard."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

Run = list[Any]
"""[first, last, value]: first and last time that the value was given, with no other in between."""


def _first(run: Run) -> Any:
    return run[0]


class Track:
    """The runs of a tag, in order of time; a value holds until the next run begins.

    None is the value of a sample of bad quality: nothing is known.
    """

    __slots__ = ("runs",)

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def index(self, time: int) -> int:
        """The place of the run that holds at a time; -1 before all."""
        return bisect_right(self.runs, time, key=_first) - 1

    def at(self, time: int) -> Any:
        """The value at a time; None if nothing is known."""
        place = self.index(time)
        return self.runs[place][2] if place >= 0 else None

    def last_known(self, time: int) -> Any:
        """The value at a time, or where nothing is known the one before; None: there was none."""
        place = self._known(time)
        return self.runs[place][2] if place >= 0 else None

    def _known(self, time: int) -> int:
        """The place of the last run that holds a value at a time or before; -1: there is none."""
        place = self.index(time)
        while place >= 0 and self.runs[place][2] is None:
            place -= 1
        return place

    def unknown_before(self, time: int, after: int) -> tuple[int, int] | None:
        """Begin and end of the last time, over by one time and after another, with no value."""
        place = self.index(time)
        while place > 0 and self.runs[place][0] > after:
            if self.runs[place - 1][2] is None:
                return int(self.runs[place - 1][0]), int(self.runs[place][0])
            place -= 1
        return None

    def same_since(self, time: int) -> int:
        """Since when the value of a time, and no other, was given."""
        place = self._same(self.index(time))
        return int(self.runs[place][0]) if place >= 0 else time

    def _same(self, place: int) -> int:
        """The place of the first run with the value of one, and none with another in between."""
        first = place
        while place >= 0 and self.runs[place][2] in (None, self.runs[first][2]):
            first = first if self.runs[place][2] is None else place
            place -= 1
        return first

    def unknown_since(self, time: int) -> int | None:
        """When the run of a time began, if it has no value."""
        place = self.index(time)
        return self.runs[place][0] if place >= 0 and self.runs[place][2] is None else None

    def known_again(self, time: int) -> int | None:
        """When the first run that holds a value begins, at a time or later; None: none does."""
        following = (run[0] for run in self.runs if run[0] >= time and run[2] is not None)
        return next(following, None)

    def changes(self, begin: int, end: int) -> Iterator[Run]:
        """The runs that begin after `begin` and before `end`."""
        for place in range(self.index(begin) + 1, len(self.runs)):
            if self.runs[place][0] >= end:
                return
            yield self.runs[place]

    def append(self, time: int, value: Any) -> list[int]:
        """Take a sample that is not before any other; of equal times the last one counts.

        Returns:
            The beginnings of the runs that changed.
        """
        runs = self.runs
        if not runs:
            runs.append([time, time, value])
            return [time]
        last = runs[-1]
        if last[2] == value:
            last[1] = time
        elif last[0] == time:
            last[2] = value
            if len(runs) > 1 and runs[-2][2] == value:
                runs.pop()
                runs[-1][1] = time
                return [time, runs[-1][0]]
        else:
            runs.append([time, time, value])
        return [runs[-1][0]]

    def insert(self, time: int, value: Any) -> tuple[list[int], int] | None:
        """Take a sample that comes behind others.

        Returns:
            The beginnings of the runs that changed, and until when another value holds now
            (`time`: nothing else; -1: until for ever). None: it contradicts a value that was
            given before it and after it, or at its time, and is refused.
        """
        runs, place = self.runs, self.index(time)
        if place >= 0:
            run = runs[place]
            if run[2] == value:
                run[1] = max(run[1], time)
                return [run[0]], time
            if time <= run[1]:
                return None
        following = runs[place + 1] if place + 1 < len(runs) else None
        if following is not None and following[2] == value:
            before, following[0] = following[0], time
            return [before, time], before
        runs.insert(place + 1, [time, time, value])
        return [time], -1 if following is None else following[0]

    def forget(self, horizon: int) -> list[int]:
        """Forget runs that ended before a time, and give their beginnings.

        The last known stays, of the same value the first, and the last two times with no value.
        """
        first, kept = self._needed(horizon)
        gone = [run[0] for place, run in enumerate(self.runs[:first]) if place not in kept]
        if gone:
            self.runs[:first] = [self.runs[place] for place in kept]
        return gone

    def recent(self, begin: int) -> "Track":
        """A copy of what `forget` would leave."""
        copy, (first, kept) = Track(), self._needed(begin)
        copy.runs = [list(self.runs[place]) for place in (*kept, *range(first, len(self.runs)))]
        return copy

    def _needed(self, time: int) -> tuple[int, list[int]]:
        """The place of the last known run at a time, and those of the runs before it to keep."""
        place = max(self._known(time), 0)
        unknown = [n for n, run in enumerate(self.runs[:place]) if run[2] is None][-2:]
        kept = {*unknown, *(n + 1 for n in unknown)}
        kept |= {self._same(place)} if self.runs else set()
        return place, sorted(one for one in kept if one < place)


class Heard:
    """When a source was heard, as [lo, hi] without a silence longer than `hold` in between."""

    __slots__ = ("spans",)

    def __init__(self) -> None:
        self.spans: list[list[int]] = []

    def add(self, low: int, high: int, hold: int) -> None:
        """The source was heard from `low` to `high`."""
        spans = self.spans
        if spans and spans[-1][0] <= low <= spans[-1][1] + hold:
            spans[-1][1] = max(spans[-1][1], high)
            return
        spans.append([low, high])
        spans.sort()
        merged = [spans[0]]
        for span in spans[1:]:
            if span[0] <= merged[-1][1] + hold:
                merged[-1][1] = max(merged[-1][1], span[1])
            else:
                merged.append(span)
        self.spans = merged

    def since(self, time: int, hold: int) -> int | None:
        """Since when the source was heard, without a silence, until a time; None: it was not."""
        return next((low for low, high in self.spans if low <= time <= high + hold), None)

    def last_before(self, low: int) -> int | None:
        """When the source was last heard before the span that begins at a time; None: never."""
        return max((high for begin, high in self.spans if begin < low), default=None)

    def covered(self, begin: int, end: int, hold: int) -> Iterator[tuple[int, int]]:
        """The parts of a span in which values hold."""
        for low, high in self.spans:
            if low < end and high + hold > begin:
                yield max(low, begin), min(high + hold, end)

    def forget(self, horizon: int, hold: int) -> None:
        """Forget what was heard before a time, but for the last of it."""
        gone = [span for span in self.spans if span[1] + hold < horizon]
        self.spans = self.spans[max(len(gone) - 1, 0) :]
