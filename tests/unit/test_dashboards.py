"""The Grafana dashboards are whole, and ask for nothing that the console does not export."""

import importlib.util
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from penstock.console.layout import Layout, Machine
from penstock.console.metrics import FAMILIES, registry
from penstock.console.view import View
from penstock.testing.scraping import exported

_spec = importlib.util.spec_from_file_location(
    "dashboards", Path(__file__).parents[1] / "dashboards.py"
)
dashboards = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dashboards)
BOARDS = dashboards.boards()
LINE, ASSET = "acme/bremen/line1", "acme/bremen/line1/press01"
VERSION = {"epoch": 1, "offsets": [1], "emission": 1}


class Reader:
    trouble = None
    lag = records = refused = 0


def test_there_is_one_for_the_plant_a_line_and_the_pipeline():
    assert set(BOARDS) == {"plant.json", "line.json", "pipeline-health.json"}
    assert len({board["uid"] for board in BOARDS.values()}) == 3


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name):
    board = BOARDS[name]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    names = {variable["name"] for variable in board["templating"]["list"]}
    text = str(board)
    assert set(re.findall(r"\$\{?([a-z]\w*)", text)) <= names
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    for expression, _ in dashboards.queries(board):
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing)


def scrape():
    """A real scrape of a console that has figures, an alert and a machine."""
    view = View(Layout("acme/bremen", {LINE: (Machine(ASSET, None, {}),)}))
    figures = {
        "line": LINE, "asset": None, "kind": "sliding", "name": "1 h", "until": 1,
        "incomplete": False, "missing": [], "standard": "iso22400", "version": VERSION,
        "coverage": 1.0, "flags": [], "work_units": 1, "kpis": {"oee": 0.5},
    }  # fmt: skip
    view.kpi(figures)
    view.kpi(figures | {"asset": ASSET})
    view.alert(
        {
            "id": "a", "asset": ASSET, "cause": "anomaly/pca", "severity": "high", "raised": 1,
            "state": "raised", "message": "m", "onset": 1, "acknowledged_by": None, "note": None,
            "version": VERSION, "evidence": {"words": []},
        }
    )  # fmt: skip
    return exported(generate_latest(registry(view, Reader(), lambda: 3)).decode())


def test_a_console_exports_what_it_says_it_does():
    assert scrape() == {name: set(labels) for name, (_, labels) in FAMILIES.items()}


@pytest.mark.parametrize("name", ["plant.json", "line.json"])
def test_every_metric_and_label_of_plant_and_line_is_in_a_scrape_of_the_console(name):
    found = scrape()
    for expression, legend in dashboards.queries(BOARDS[name]):
        for metric, labels in dashboards.asked(expression, legend):
            assert labels <= found[metric], expression
