"""The live view says, on a terminal of 80 columns, how much of a line's figures is known."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.demo.figures import Figures
from penstock.demo.incidents import Incidents, Verdict
from penstock.demo.view import Scene, render


def record(coverage: float | None, *flags: str) -> dict[str, Any]:
    kpis = {"oee": 0.321, "availability": 0.5, "effectiveness": None, "quality_ratio": 1.0}
    return {"kpis": kpis, "produced": 2721.0, "coverage": coverage, "flags": flags,
            "incomplete": False}  # fmt: skip


def test_what_is_known_of_a_line_and_what_is_doubtful_fits_beside_its_figures() -> None:
    lines = {
        "stamping/line1": record(0.41, "less than a tenth"),
        "filling/line2": record(1.0),
        "packing/line3": record(None),
    }
    console = Console(file=io.StringIO(), width=80)
    incidents = Incidents(Verdict)
    console.print(render(Scene([], Figures(Path()), lines, incidents, None, 0.0, keys=False)))
    assert isinstance(console.file, io.StringIO)
    shown = {
        words[1]: " ".join(words[2:-1])
        for words in map(str.split, console.file.getvalue().splitlines())
        if len(words) > 1 and "/line" in words[1]
    }
    figures = "32.1% 50.0% – 100.0% 2,721"
    assert shown == {
        "stamping/line1": f"{figures} 41% ?",
        "filling/line2": f"{figures} 100%",
        "packing/line3": f"{figures} –",
    }
