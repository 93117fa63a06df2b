"""The page of faults, from the figures of the last runs."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from generator.markdown import code, table

ROOT: Final = Path(__file__).parents[2]
FIGURES: Final = ROOT / "docs" / "faults.json"
INTRODUCTION: Final = """# Faults

What is done to a running system, and what came of it: figures of the last run of each row, on real
Kafka processes. `make faults` runs all of it and writes `docs/faults.json`; `make test` runs a
short form of each row. *Lost* and *twice* are samples: lost are those that no result (or no row of
the lake) counts, twice those that are counted more than once. *Recovery* is the longest time from a
fault to the next result, where workers come and go the longest time in which a partition brought
none. Where a row says no figures, its tests compare them themselves, and fail where anything is
lost or counted twice; they are of hundreds to some ten thousand samples, and so is the row of the
sink that writes in transactions: it makes a record of each sample.

The checker follows Jepsen's workload for Kafka: of acknowledged values, each below the highest
offset that was read must have been read; none twice; those of one sender in order.

"""
NOT_HERE: Final = """
## What is not in this table

Faults that such lists usually have, and where else they are tested, or that they are not. These
tests run in `make test`, and bring no figures.

"""


def faults() -> str:
    """The table."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    try:
        from rows import ELSEWHERE, ROWS  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    rows = [_row(row.fault, row.passes, found["rows"].get(row.fault)) for row in ROWS]
    heads = ["fault", "passes if", "result", "form", "faults", "samples", "lost", "twice",
             "recovery"]  # fmt: skip
    tests = [(row.fault, _tests(row.tests)) for row in ROWS]
    others = [(row.fault, row.passes, _tests(row.tests)) for row in ELSEWHERE]
    text = INTRODUCTION + f"On {found['machine']}, Python {found['python']}.\n\n"
    text += table(heads, rows) + "\n## Which tests\n\n" + table(["fault", "tests"], tests)
    return text + NOT_HERE + table(["fault", "what is tested", "tests"], others)


def _tests(names: Iterable[str]) -> str:
    return ", ".join(code(name) for name in names)


def _row(fault: str, passes: str, one: dict[str, Any] | None) -> tuple[str, ...]:
    if one is None:
        return fault, passes, "not run yet", *([""] * 6)
    samples = f"{one['samples']:,}" if "samples" in one else ""
    figures = [str(one.get(name, "")) for name in ("lost", "twice")]
    recovery = f"{one['recovery_s']} s" if "recovery_s" in one else ""
    form = f"{one['form']}, {one['on']}"
    return (
        fault, passes, one["outcome"], form, str(one.get("faults", "")), samples, *figures, recovery
    )  # fmt: skip
