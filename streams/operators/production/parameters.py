"""Parameters of the operator of production partials, times in microseconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from penstock.fingerprints import with_parts
from penstock.work_units import WorkUnit
from streams.operators.windows.parameters import Size, WindowParameters


@dataclass(frozen=True)
class ProductionParameters:
    """What decides which time is which.

    Args:
        units: All work units.
        every: Length of a pane.
        out_of_order: How far samples may overtake each other.
        hold: For how long after its last sample a source's values hold.
        clock_ahead: A source time further ahead of ingest is set aside.
        reopen_for: How far behind the asset's event time a sample still changes panes.
        minor_stop_below: A delay shorter than this is a minor stop.
        plausible_rate: How many times faster than planned a counter may go up.
    """

    units: Sequence[WorkUnit]
    every: int
    out_of_order: int
    hold: int
    clock_ahead: int
    reopen_for: int
    minor_stop_below: int
    plausible_rate: float = 3.0
    arrival: WindowParameters = field(init=False)
    unit_of: dict[str, WorkUnit] = field(init=False)

    def __post_init__(self) -> None:
        sizes = (Size(self.every, self.reopen_for),)
        arrival = WindowParameters(self.out_of_order, self.hold, self.clock_ahead, sizes)
        object.__setattr__(self, "arrival", arrival)
        object.__setattr__(self, "unit_of", {unit.asset: unit for unit in self.units})

    @cached_property
    def text(self) -> str:
        """All parameters in one line: equal texts, equal results."""
        rest = f"minor_stop_below={self.minor_stop_below} plausible_rate={self.plausible_rate}"
        units = {unit.asset: unit.text for unit in self.units}
        return with_parts(f"{self.arrival.text} {rest}", units)
