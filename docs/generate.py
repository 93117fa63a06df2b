"""Writes `docs/reference/` from what the code says of itself.

`make docs` runs it; `tests/unit/test_docs.py` fails where a page is not up to date.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from generator import asyncapi, commands, faults, helm, kpis, running, settings, sizing, sparkplug

FOLDER: Final = Path(__file__).parent / "reference"
NOTE: Final = "<!-- Made by `make docs` from the code. Change it there. -->\n\n"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "alerts.md": running.alerts,
    "cli.md": commands.cli,
    "configuration.md": settings.configuration,
    "connectors.md": settings.connectors,
    "errors.md": running.errors,
    "faults.md": faults.faults,
    "helm-values.md": helm.values,
    "kpis.md": kpis.kpis,
    "lake.md": running.lake,
    "metrics.md": running.shown_metrics,
    "orders.md": running.orders,
    "schemas.md": running.avro_schemas,
    "sizing.md": sizing.sizing,
    "sparkplug.md": sparkplug.sparkplug,
    "tag-lists.md": settings.tag_lists,
    "topics.md": running.shown_topics,
    "window-statistics.md": running.window_statistics,
}


def pages() -> dict[str, str]:
    """The text of every page of the reference, by file name."""
    found = {name: f"{NOTE}{make().rstrip()}\n" for name, make in PAGES.items()}
    return found | {"asyncapi.yaml": f"# Made by `make docs` from the code.\n{asyncapi.asyncapi()}"}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    helm.TOPICS_FILE.write_text(helm.topics(), encoding="utf-8")
    helm.RIGHTS_FILE.write_text(helm.rights(), encoding="utf-8")
