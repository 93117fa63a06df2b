"""Draws the pictures of the README and of the tutorials from a real run of the demo.

`python docs/pictures.py [SECONDS]` runs everything for a while, kills the OPC UA server once, and
writes live-view.svg, summary.svg and, of the anomaly that weighs most, alert.svg into docs/images.
What it starts, it stops.
"""

import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from penstock import logs
from penstock.alerts.picture import picture
from penstock.alerts.reading import read_alerts
from penstock.demo.demo import Demo
from penstock.demo.report import show
from penstock.local.stack import LocalStack
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant

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
            _draw_alert(load_plant(folder / "demo" / "plant.yaml"))
        finally:
            stack.down()
        IMAGES.mkdir(exist_ok=True)
        _save(console, "live-view.svg", "make run")
        show(report, console, folder=SHOWN_FOLDER)
        _save(console, "summary.svg", f"make run SECONDS={seconds:.0f}")


def _draw_alert(plant: Plant) -> None:
    """The evidence of the alert that wants attention first."""
    anomalies = [one for one in read_alerts(plant) if one["cause"].startswith("anomaly/")]
    if anomalies:
        (IMAGES / "alert.svg").write_text(picture(anomalies[0]), encoding="utf-8")


def _save(console: Console, name: str, title: str) -> None:
    """Write what was printed since the last picture; its font is the viewer's own."""
    picture = console.export_svg(title=title, unique_id=name.removesuffix(".svg"))
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    (IMAGES / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    draw(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
