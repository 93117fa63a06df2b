"""Which processors a configuration runs, and what they are told."""

from datetime import timedelta
from typing import Any

import pytest

from penstock.processor import ProcessorSettings, chosen
from penstock.settings.plant import Line, Plant, Site, Windows, WindowSize
from penstock.settings.tags import Tag

OFF, ON = ProcessorSettings(enabled=False), ProcessorSettings(enabled=True)


def plant(**more: Any) -> Plant:
    sizes = {timedelta(seconds=10): WindowSize(reopen_for=timedelta(seconds=60))}
    return Plant(site=Site(path="acme/bremen"), windows=Windows(sizes=sizes), **more)


@pytest.mark.parametrize(
    ("processors", "lines"),
    [
        ({}, {"line-partials", "line-statistics"}),
        ({"line-statistics": OFF}, {"line-partials"}),
        ({"line-statistics": ProcessorSettings()}, {"line-partials", "line-statistics"}),
    ],
)
def test_those_run_that_have_reason_to_and_are_not_disabled(
    processors: dict[str, Any], lines: set[str]
) -> None:
    tags = {"plc": (Tag(asset="line1/press", tag="made", address="1", role="good"),)}
    with_lines = plant(lines={"line1": Line()}, tags=tags, processors=processors)
    found = {one.name for one in chosen(with_lines)}
    assert {name for name in found if name.startswith("line-")} == lines
    assert "window-statistics" in found


def test_one_without_reason_runs_if_it_is_enabled() -> None:
    assert not any(one.name.startswith("line-") for one in chosen(plant()))
    (one,) = [p for p in chosen(plant(processors={"line-partials": ON})) if "line" in p.name]
    assert one.name == "line-partials"
    assert one.settings is ON


def test_a_processor_without_a_section_has_its_defaults() -> None:
    found = chosen(plant(processors={"window-statistics": OFF}))
    assert not [one for one in found if one.name == "window-statistics"]
    assert all(one.settings == one.Settings() for one in found)
