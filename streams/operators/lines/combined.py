"""One line: what its members sent, the greatest version of each, summed up anew every time."""

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.lines import LineMembers, Member
from schemas import LinePartial, LineStatistics, Version
from streams.operators.windows.parameters import NEVER

Window = tuple[int, int]
"""(size, start)."""


@dataclass(slots=True)
class LineWindow:
    """A window: each member's partial of the greatest version, and what was published of it.

    Args:
        partials: By member.
        revision: How many times it was published.
        shown: What was published last, None before.
        incomplete: Whether that was without some members.
    """

    partials: dict[Member, LinePartial] = field(default_factory=dict)
    revision: int = 0
    shown: list[Any] | None = None
    incomplete: bool = False


@dataclass(slots=True)
class LineState:
    """What is known of a line.

    Args:
        line: Its members.
        reopen_for: By size.
    """

    line: LineMembers
    reopen_for: dict[int, int]
    watermarks: dict[Member, int] = field(default_factory=dict)
    """Event time of each member that was heard."""
    quiet: dict[Member, int] = field(default_factory=dict)
    """Up to when, by the wall clock, nothing more is expected of a member."""
    windows: dict[Window, LineWindow] = field(default_factory=dict)
    dropped: dict[int, int] = field(default_factory=dict)
    """By size: windows that end by then are gone."""

    def take(self, partial: LinePartial) -> bool:
        """Take a partial of a member; False: its window is gone."""
        member = (partial.asset, partial.source)
        known = self.watermarks.get(member, NEVER)
        self.watermarks[member] = max(known, partial.watermark)
        if not partial.window_size:
            self.quiet[member] = max(self.quiet.get(member, NEVER), partial.window_start)
            return True
        name = (partial.window_size, partial.window_start)
        if sum(name) <= self.dropped.get(partial.window_size, NEVER):
            return False
        window = self.windows.setdefault(name, LineWindow())
        before = window.partials.get(member)
        if before is None or _version(before) < _version(partial):
            window.partials[member] = partial
        return True

    def known_until(self) -> int:
        """Up to when all declared members are known, as far as they will be."""
        return min((self.known_of(member) for member in self.line.members), default=NEVER)

    def known_of(self, member: Member) -> int:
        """Up to when a member is known: its watermark, or further if it is quiet."""
        return max(self.watermarks.get(member, NEVER), self.quiet.get(member, NEVER))

    def expired(self) -> list[Window]:
        """The windows that no member's own event time can reach any more; none takes them again.

        Members that were never heard do not count: they would hold everything for ever.
        """
        level = min(self.watermarks.values(), default=NEVER)
        for size, reopen_for in self.reopen_for.items():
            self.dropped[size] = max(self.dropped.get(size, NEVER), level - reopen_for)
        return [name for name in self.windows if sum(name) <= self.dropped[name[0]]]

    def due(self, touched: Container[Window]) -> list[Window]:
        """The windows that may have something to say, after a change of these."""
        known = self.known_until()
        return [
            name
            for name, window in self.windows.items()
            if (sum(name) <= known and (window.shown is None or name in touched))
            or (window.shown is not None and (window.incomplete or name in touched))
        ]

    def publish(self, names: Iterable[Window]) -> list[LineStatistics]:
        """The next revision of those of these windows that say something new."""
        results = []
        for name in sorted(names, key=lambda name: (sum(name), name)):
            window = self.windows[name]
            found = self._statistics(name, window)
            if _news(found) != window.shown:
                window.shown, window.revision = _news(found), found.revision
                window.incomplete = found.incomplete
                results.append(found)
        return results

    def _statistics(self, name: Window, window: LineWindow) -> LineStatistics:
        (size, start), line = name, self.line
        at_output = [
            window.partials[m] for m in line.members if m in line.output & window.partials.keys()
        ]
        missing = [m for m in line.members if self.known_of(m) < start + size]
        covered = sum(partial.covered for partial in at_output)
        levels = [self.watermarks.get(member, NEVER) for member in line.members]
        return LineStatistics(
            line=line.line,
            window_start=start,
            window_size=size,
            watermark=min(levels, default=NEVER),
            revision=window.revision + 1,
            good=_sum(partial.good for partial in at_output),
            scrap=_sum(partial.scrap for partial in at_output),
            total=_sum(partial.total for partial in at_output),
            coverage=covered / (size * len(line.output)) if line.output else math.nan,
            members_declared=len(line.members),
            members_present=len(window.partials),
            incomplete=bool(missing),
            missing=tuple(map(" ".join, missing)),
        )

    def dump(self) -> list[Any]:
        """What is not in windows, as JSON."""
        members = [
            [*m, level, self.quiet.get(m, NEVER)] for m, level in sorted(self.watermarks.items())
        ]
        return [members, sorted(self.dropped.items())]

    def load(self, row: list[Any]) -> None:
        """The inverse of `dump`."""
        for asset, source, level, quiet in row[0]:
            self.watermarks[asset, source] = level
            if quiet != NEVER:
                self.quiet[asset, source] = quiet
        self.dropped = dict(row[1])


def dump_window(window: LineWindow) -> list[Any]:
    """A window as JSON."""
    partials = [_dump_partial(partial) for _, partial in sorted(window.partials.items())]
    return [window.revision, window.incomplete, window.shown, partials]


def load_window(line: LineMembers, name: Window, row: list[Any]) -> LineWindow:
    """The inverse of `dump_window`."""
    revision, incomplete, shown, partials = row
    loaded = [_load_partial(line.line, name, partial) for partial in partials]
    known = {(partial.asset, partial.source): partial for partial in loaded}
    return LineWindow(known, revision, shown, incomplete)


def _dump_partial(partial: LinePartial) -> list[Any]:
    version = _version(partial)
    stored = [version.epoch, list(version.offsets), version.emission]
    figures = [partial.good, partial.scrap, partial.total, partial.covered]
    return [partial.asset, partial.source, stored, partial.watermark, partial.final, *figures]


def _load_partial(line: str, name: Window, row: list[Any]) -> LinePartial:
    asset, source, (epoch, offsets, emission), watermark, final, good, scrap, total, covered = row
    return LinePartial(
        line=line,
        asset=asset,
        source=source,
        window_start=name[1],
        window_size=name[0],
        watermark=watermark,
        final=final,
        good=good,
        scrap=scrap,
        total=total,
        covered=covered,
        version=Version(epoch, tuple(offsets), emission),
    )


def _version(partial: LinePartial) -> Version:
    return partial.version or Version(0, (), 0)


def _sum(figures: Iterable[float]) -> float:
    known = [one for one in figures if not math.isnan(one)]
    return math.fsum(known) if known else math.nan


def _news(found: LineStatistics) -> list[Any]:
    """What makes a result worth publishing again; None for NaN, which equals itself."""
    figures = [found.good, found.scrap, found.total, found.coverage]
    plain = [None if math.isnan(one) else one for one in figures]
    rest = [found.members_declared, found.members_present, found.incomplete, list(found.missing)]
    return [*plain, *rest]
