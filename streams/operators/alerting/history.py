"""The last windows of each asset's signals, and its worst values in each: what evidence shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas import Evidence, Version

LENGTH: Final = 60
"""Windows that evidence shows: an hour of minutes."""
MOST: Final = 10 * LENGTH
"""Windows of an asset that are kept at most, where they are far ahead of what is judged."""
MOST_TAGS: Final = 4
"""Of a piece of evidence."""
_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class SignalWindow:
    """The means (K) and coverages (K) of an asset's tags from one source over one window.

    `WindowStatistics` without what alerts do not need.
    """

    asset: str
    source: str
    start: int
    size: int
    tags: tuple[str, ...]
    means: tuple[float, ...]
    coverages: tuple[float, ...]
    version: Version


class History:
    """Windows and worst values of one asset, by the window's start.

    Windows and scores come from different topics, either of which may be ahead, as after a restart.
    So windows are kept as long as what is judged may still need them.
    """

    def __init__(self) -> None:
        self.windows: dict[tuple[int, str], tuple[Version, dict[str, float]]] = {}
        self.values: dict[tuple[int, str], float] = {}

    def take(self, window: SignalWindow, judged: int | None) -> Iterator[tuple[int, str]]:
        """Keep a window if it is the newest of its own; gives what changed or went.

        Args:
            window: A window.
            judged: Event time up to which the asset's anomalies are judged; None: none was yet.
        """
        name = (window.start, window.source)
        known = self.windows.get(name)
        if known is not None and known[0] >= window.version:
            return
        self.windows[name] = (window.version, dict(zip(window.tags, window.means, strict=True)))
        yield name
        starts = sorted({start for start, _ in self.windows})
        needed = starts[-LENGTH:][0] if judged is None else judged - 2 * LENGTH * window.size
        yield from self._trim(self.windows, max(needed, starts[-MOST:][0]))

    def value(self, start: int, cause: str, value: float) -> Iterator[tuple[int, str]]:
        """Keep a value if it is the worst of its window; gives what changed or went."""
        if not value < self.values.get((start, cause), float("inf")):
            return
        self.values[start, cause] = value
        yield start, cause
        yield from self._trim(self.values, sorted({start for start, _ in self.values})[-LENGTH:][0])

    def _trim(self, rows: dict[tuple[int, str], Any], horizon: int) -> list[tuple[int, str]]:
        gone = [name for name in rows if name[0] < horizon]
        for name in gone:
            del rows[name]
        return gone

    def evidence(
        self,
        cause: str,
        until: int,
        weights: Mapping[str, float],
        units: Mapping[str, str],
    ) -> Evidence:
        """What is known of some tags up to a time.

        Args:
            cause: Whose values to show.
            until: Event time; later windows are left out.
            weights: Share of each tag in the whole, 0 to 1.
            units: Of tags.
        """
        if not weights:
            return Evidence()
        tags = sorted(weights, key=lambda tag: (-weights[tag], tag))[:MOST_TAGS]
        starts = sorted({start for start, _ in self.windows if start < until})[-LENGTH:]
        signals = {tag: [self._mean(start, tag) for start in starts] for tag in tags}
        return Evidence(
            words=tuple(_sentence(tag, weights[tag], signals[tag], units) for tag in tags),
            tags=tuple(tags),
            shares=tuple(weights[tag] for tag in tags),
            times=tuple(starts),
            values=tuple(self.values.get((start, cause), _NAN) for start in starts),
            signals=tuple(mean for tag in tags for mean in signals[tag]),
        )

    def _mean(self, start: int, tag: str) -> float:
        sources = sorted(source for at, source in self.windows if at == start)
        found = (self.windows[start, source][1].get(tag) for source in sources)
        return next((mean for mean in found if mean is not None), _NAN)


def _sentence(tag: str, share: float, means: list[float], units: Mapping[str, str]) -> str:
    """What a tag has to do with it.

    >>> _sentence("oil", 0.61, [60.0, 62.0, 90.0], {"oil": "degC"})
    'oil: 61 % of the deviation; 90 degC, 61 before'
    """
    known = [mean for mean in means if mean == mean]  # noqa: PLR0124 - not NaN
    text = f"{tag}: {share * 100:.0f} % of the deviation"
    if len(known) < 2:  # noqa: PLR2004 - nothing to compare with
        return text
    *before, last = known
    unit = f" {units[tag]}" if units.get(tag) else ""
    return f"{text}; {last:.4g}{unit}, {sum(before) / len(before):.4g} before"
