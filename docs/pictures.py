"""Draws the pictures of the README from a real run of the demo.

`python docs/pictures.py [SECONDS]` runs everything for a while, kills the OPC UA server once, and
writes docs/images/live-view.svg and docs/images/summary.svg. What it starts, it stops.
"""

import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from penstock import logs
from penstock.demo.demo import Demo
from penstock.demo.report import show
from penstock.local.stack import LocalStack

IMAGES: Final = Path(__file__).parent / "images"
SECONDS: Final = 120.0
COLUMNS: Final = 104
SHOWN_FOLDER: Final = ".penstock/demo"
"""The folder that `make run` uses, in the place of this run's own."""


def draw(seconds: float) -> None:
    """Run the demo and write both pictures."""
    console = Console(file=io.StringIO(), record=True, width=COLUMNS)
    with tempfile.TemporaryDirectory(prefix="penstock-") as name:
        folder = Path(name)
        stack = LocalStack(folder, kafka_port=0, registry_port=0)
        stack.up()
        try:
            logs.configure("pictures", file=folder / "pictures.log")
            demo = Demo(stack, folder / "demo", seconds, console, [(seconds / 4, "press_plc")])
            report = demo.run()
        finally:
            stack.down()
        IMAGES.mkdir(exist_ok=True)
        _save(console, "live-view.svg", "make run")
        show(report, console, folder=SHOWN_FOLDER)
        _save(console, "summary.svg", f"make run SECONDS={seconds:.0f}")


def _save(console: Console, name: str, title: str) -> None:
    """Write what was printed since the last picture; its font is the viewer's own."""
    picture = console.export_svg(title=title, unique_id=name.removesuffix(".svg"))
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    (IMAGES / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    draw(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
