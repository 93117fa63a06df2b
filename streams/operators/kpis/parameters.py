"""Parameters of the operator of KPIs, times in microseconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from penstock.fingerprints import with_parts
from penstock.work_units import WorkUnit
from streams.operators.kpis.kpi import Kpi
from streams.operators.kpis.windows import WindowPlan


@dataclass(frozen=True, slots=True)
class LineUnits:
    """A line.

    Args:
        line: Its full path; of an asset that is in no line: the asset's.
        flow: Whether pieces pass its units one after the other, or side by side.
        units: All its work units, by path.
        constraint: The unit whose time is the line's, if it is serial.
        output: The unit whose good pieces are the line's; None: of a parallel line, all.
    """

    line: str
    flow: Literal["serial", "parallel"]
    units: tuple[WorkUnit, ...]
    constraint: WorkUnit | None = None
    output: WorkUnit | None = None

    @property
    def is_line(self) -> bool:
        """Whether it is more than an asset by itself."""
        return not (len(self.units) == 1 and self.units[0].asset == self.line)

    @property
    def timekeepers(self) -> tuple[WorkUnit, ...]:
        """The units whose time is the line's."""
        if self.flow == "parallel":
            return self.units
        return () if self.constraint is None else (self.constraint,)

    @property
    def outputs(self) -> tuple[WorkUnit, ...]:
        """The units whose good pieces are the line's."""
        if self.output is not None:
            return (self.output,)
        return self.units if self.flow == "parallel" else ()

    def keeper(self, unit: WorkUnit) -> WorkUnit:
        """The unit beside whose time the pieces of one stand in the line's figures."""
        return unit if self.flow == "parallel" else self.constraint or unit


@dataclass(frozen=True)
class KpiParameters:
    """What decides which figures there are.

    Args:
        lines: All lines.
        plan: The windows.
        kpis: The figures.
        standard: Whose availability the plant goes by.
        no_order_counts: Whether time without an order counts against availability.
        same_failure_within: A failure that begins so soon after another is the same.
        reopen_for: How long after its end a window may be revised.
        deadline: How long by the wall clock a line's window waits for missing assets.
    """

    lines: Sequence[LineUnits]
    plan: WindowPlan
    kpis: Sequence[Kpi]
    standard: str
    no_order_counts: str
    same_failure_within: int
    reopen_for: int
    deadline: int
    line_of: dict[str, LineUnits] = field(init=False)

    def __post_init__(self) -> None:
        line_of = {unit.asset: line for line in self.lines for unit in line.units}
        object.__setattr__(self, "line_of", line_of)

    @cached_property
    def text(self) -> str:
        """All parameters that state depends on, in one line: equal texts, equal results."""
        lines = {
            line.line: f"{line.flow} {line.constraint and line.constraint.asset} "
            f"{line.output and line.output.asset} {[unit.text for unit in line.units]}"
            for line in self.lines
        }
        plan = self.plan
        return with_parts(
            f"every={plan.every} sizes={plan.sizes} sliding={plan.sliding} rolling={plan.rolling} "
            f"reopen_for={self.reopen_for} same_failure_within={self.same_failure_within} "
            f"{self.standard} {self.no_order_counts}",
            lines,
        )
