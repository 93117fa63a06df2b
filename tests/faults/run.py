"""`make faults`: runs every row of the table and writes what came of it to `docs/faults.json`.

    python tests/faults/run.py [--short] [--only PATTERN]

`make docs` makes docs/reference/faults.md of it. Without `--short` it is the full form; `--only`
runs the rows that a regular expression finds, and keeps what the file says of the others.
"""

import argparse
import json
import os
import platform
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FIGURES = HERE.parents[1] / "docs" / "faults.json"
sys.path.insert(0, str(HERE))

from rows import ROWS, Row


class Recorder:
    """Notes how each test went, and the figures that it recorded."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's phases."""
        name = report.nodeid.removeprefix("tests/").partition("[")[0]
        one = self.tests.setdefault(name, {"outcome": "passed", "seconds": 0.0, "figures": {}})
        one["seconds"] += report.duration
        one["figures"].update(report.user_properties)
        if report.outcome != "passed" and one["outcome"] != "failed":
            one["outcome"] = report.outcome


def outcome(row: Row, tests: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What came of a row; None if it was not run."""
    found = [tests[name] for name in row.tests if name in tests]
    if not found:
        return None
    figures = next((one["figures"] for one in found if one["figures"]), {})
    worst = {one["outcome"] for one in found}
    return {
        "outcome": next((o for o in ("failed", "skipped") if o in worst), "passed"),
        "tests": len(found),
        "seconds": round(sum(one["seconds"] for one in found)),
        **figures,
    }


def main() -> int:
    """Run, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    form = "short" if asked.short else "full"
    os.environ["PENSTOCK_FAULTS"] = form
    chosen = [row for row in ROWS if re.search(asked.only, row.fault)]
    recorder, begun = Recorder(), time.monotonic()
    names = [f"tests/{name}" for row in chosen for name in row.tests]
    code = pytest.main(["-q", "-s", "--timeout=3000", "-n", "0", *names], [recorder])
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"rows": {}}
    rows = known["rows"] = {
        fault: found
        for fault, found in known["rows"].items()
        if fault in {row.fault for row in ROWS}
    }
    for row in chosen:
        if (found := outcome(row, recorder.tests)) is not None:
            day = datetime.now(UTC).date().isoformat()
            rows[row.fault] = {"form": form, "on": day, **found}
    known |= {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    FIGURES.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{time.monotonic() - begun:.0f} s; figures in {FIGURES}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
