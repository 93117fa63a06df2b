"""What Python sees of the records about production; times are microseconds since 1970-01-01 UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.records import Version
from schemas.windowed import Windowed


class ProductionTime(NamedTuple):
    """Time that went into one element for one order; `begin` and `end` are its outermost bounds."""

    order: str
    product: str
    element: str
    planning: str
    duration: int
    begin: int
    end: int


class ProductionPieces(NamedTuple):
    """By how much the counters went up for one order; NaN where there is no such counter.

    `since` and `until` are of pieces that nobody saw being made: in which time they were, evenly;
    up to `known_until` its state is known. `state_known`: as they show.
    """

    order: str
    product: str
    good: float
    scrap: float
    total: float
    since: int | None = None
    known_until: int | None = None
    until: int | None = None
    state_known: bool = True


class FailureTime(NamedTuple):
    """When an asset had failed."""

    begin: int
    end: int


class LateChange(NamedTuple):
    """A sample that came late and changed what was known."""

    tag: str
    time: int
    value: str


@dataclass(frozen=True, slots=True)
class ProductionPartial(Windowed):
    """What an asset did in a pane; `production_partial.avsc` gives each field's meaning.

    `version` is set by the host that publishes; None until then.
    """

    line: str
    asset: str
    pane_start: int
    pane_size: int
    watermark: int
    final: bool
    order: str = ""
    times: tuple[ProductionTime, ...] = ()
    pieces: tuple[ProductionPieces, ...] = ()
    failures: tuple[FailureTime, ...] = ()
    late: tuple[LateChange, ...] = ()
    flags: tuple[str, ...] = ()
    version: Version | None = None

    @property
    def stream(self) -> tuple[str, str]:
        """The asset."""
        return self.asset, ""

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end of the pane, microseconds."""
        return self.pane_start, self.pane_start + self.pane_size


class TimeShare(NamedTuple):
    """A part of a window's time balance, microseconds."""

    element: str
    planning: str
    duration: int


@dataclass(frozen=True, slots=True)
class KpiInput:
    """What an asset contributed to a window."""

    asset: str
    panes: int
    late: int
    watermark: int
    partials_version: Version


@dataclass(frozen=True, slots=True)
class KpiWindow(Windowed):
    """KPIs of a window; `kpi_window.avsc` gives each field's meaning. NaN stands for null."""

    id: str
    scope: str
    line: str
    asset: str | None
    kind: str
    name: str
    production_day: str | None
    window_start: int
    window_end: int
    until: int
    final: bool
    incomplete: bool
    missing: tuple[str, ...]
    watermark: int
    revision: int
    standard: str
    no_order_counts: str
    coverage: float
    work_units: int
    balance: tuple[TimeShare, ...]
    produced: float
    good: float
    scrap: float
    planned_run_time: float
    good_run_time: float
    kpis: Mapping[str, float]
    conventions: Mapping[str, str]
    flags: tuple[str, ...]
    inputs: tuple[KpiInput, ...]

    @property
    def stream(self) -> tuple[str, str]:
        """The asset or line."""
        return self.asset or self.line, ""

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end of the window, microseconds."""
        return self.window_start, self.window_end
