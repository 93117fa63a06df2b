"""The alert rules: well-formed, and on metrics and labels that really exist."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

from penstock import metrics

FILE = Path(__file__).parents[2] / "deploy" / "alerts.yaml"
GROUPS = YAML(typ="safe").load(FILE)["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")
PLANT = "namespace"
"""The label that Prometheus gives what it scrapes of a namespace, i.e. of one plant."""
SUFFIXES = {
    "counter": ["_total"],
    "gauge": [""],
    "histogram": ["_bucket", "_sum", "_count"],
}


def exported() -> dict[str, set[str]]:
    """The labels of every metric that a process may export, by its name in Prometheus."""
    found: dict[str, set[str]] = {}
    for module in (metrics, importlib.import_module("streams.host.metrics")):
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                family = next(iter(metric.describe()))
                for suffix in SUFFIXES[family.type]:
                    found[family.name + suffix] = set(metric._labelnames)
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_whole_and_its_metrics_exist(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Penstock[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert DURATION.fullmatch(rule.get("for", "1m"))
    expression = rule["expr"]
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    assert all(DURATION.fullmatch(span) for span in re.findall(r"\[(.+?)\]", expression))
    known = exported()
    named = set(re.findall(r"\bpenstock_\w+", expression))
    assert named
    assert named <= known.keys()
    groups = [by.split(", ") for by in re.findall(r"by \((.+?)\)", expression)]
    aggregations = re.findall(r"\b(?:sum|min|max|avg|count)\b", expression)
    assert len(groups) == len(aggregations)
    assert all(PLANT in group for group in groups), "plants are not added up"
    grouped = {label for group in groups for label in group} - {PLANT}
    for name in named:
        assert grouped <= known[name], f"{name} has no such labels"
    told = {label for text in rule["annotations"].values() for label in _labels(text)}
    assert told <= grouped


def test_names_are_unique_and_the_engine_is_watched() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    watched = " ".join(rule["expr"] for rule in RULES)
    for metric in (
        "penstock_processor_lag_records",
        "penstock_processor_watermark_delay_seconds",
        "penstock_snapshot_age_seconds",
        "penstock_processor_parked",
    ):
        assert metric in watched


def _labels(text: str) -> list[str]:
    return re.findall(r"\$labels\.(\w+)", text)
