"""How far a published KPI window is to be believed, in a few words for a line of text."""

import math
from collections.abc import Mapping
from typing import Any, Final

NEARLY_ALL: Final = 0.95
"""Share of a window's planned time that has to be known for its figures to need no word."""


def doubts(record: Mapping[str, Any]) -> list[str]:
    """What to add to the figures of a `KpiWindow`; nothing if there is no doubt.

    >>> doubts({"incomplete": False, "coverage": 0.62, "flags": ["more scrap than was produced"]})
    ['62 % of it known', 'doubtful']
    """
    coverage = record["coverage"]
    known = coverage is None or math.isnan(coverage) or coverage >= NEARLY_ALL
    return [
        *(["incomplete"] if record["incomplete"] else []),
        *([] if known else [f"{coverage:.0%} of it known".replace("%", " %")]),
        *(["doubtful"] if record["flags"] else []),
    ]
