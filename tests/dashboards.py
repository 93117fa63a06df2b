"""What the Grafana dashboards ask of Prometheus."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "deploy" / "dashboards"
METRIC = re.compile(r"\b(penstock_\w+)(?:\{([^}]*)\})?")


def boards():
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def queries(board):
    """Every PromQL expression of a dashboard, with the labels that its legend names."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"], set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            yield asked[1], {asked[2]}


def asked(expression, legend):
    """Each metric of an expression with the labels that it must have."""
    grouped = {label for by in re.findall(r"by \((.+?)\)", expression) for label in by.split(", ")}
    grouped.discard("le")
    for name, matchers in METRIC.findall(expression):
        matched = set(re.findall(r'(\w+)\s*[=!]~?\s*"', matchers))
        yield name, matched | (legend if len(METRIC.findall(expression)) == 1 else set()) | grouped
