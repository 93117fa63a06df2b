"""Parameters of the operators of lines, and what of a configuration decides their results."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from penstock.fingerprints import with_parts
from penstock.lines import Counter, LineMembers, Member
from streams.operators.windows.parameters import WindowParameters


@dataclass(frozen=True, slots=True)
class LineParameters:
    """Windows and lines. Of the windows' several `out_of_order` lines use the greatest.

    Args:
        windows: Sizes and tolerances.
        lines: All lines.
        deadline: How long by the wall clock a window waits for missing members.
    """

    windows: WindowParameters
    lines: Sequence[LineMembers]
    deadline: int
    line_of: dict[Member, LineMembers] = field(init=False)
    counters: dict[Member, dict[str, Counter]] = field(init=False)

    def __post_init__(self) -> None:
        *_, last = self.windows.by_lateness()
        sizes = tuple(replace(one, out_of_order=None) for one in self.windows.sizes)
        windows = replace(self.windows, out_of_order=last.out_of_order, sizes=sizes)
        counters: dict[Member, dict[str, Counter]] = {}
        for line in self.lines:
            for (asset, source, tag), one in line.counters.items():
                counters.setdefault((asset, source), {})[tag] = one
        line_of = {member: line for line in self.lines for member in line.members}
        for name, value in (("windows", windows), ("line_of", line_of), ("counters", counters)):
            object.__setattr__(self, name, value)

    @property
    def text(self) -> str:
        """All parameters in one line: equal texts, equal results."""
        lines = {
            line.line: json.dumps(
                [
                    line.members,
                    sorted(line.output),
                    sorted([*name, one.role, one.maximum] for name, one in line.counters.items()),
                ]
            )
            for line in self.lines
        }
        return with_parts(self.windows.text, lines)
