"""Every operator keeps what the host relies on, wherever records are cut, crashed or shuffled."""

import importlib
import inspect
import pkgutil
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams
from penstock import components
from penstock.anomaly.settings import MonitorSettings
from penstock.lines import lines_of
from penstock.operator import Operator
from penstock.processor import Processor
from penstock.settings.plant import Asset, Line, Plant, Site, Windows, WindowSize
from penstock.settings.production import Kpis, States
from penstock.settings.tags import Tag
from penstock.testing.batches import Record
from penstock.testing.determinism import CHECKS, check_split
from penstock.testing.joined import Of
from penstock.testing.strategies import (
    order_mixes,
    partial_lists,
    production_lists,
    record_lists,
    score_mixes,
)
from penstock.testing.subject import subject, subjects
from penstock.work_units import work_units
from schemas import Acknowledgement
from streams.anomaly_scores import AnomalyScoresSettings
from streams.operators.alerting.book import identity

TUMBLING = {7: {"reopen_for": 20}, 10: {"reopen_for": 0}, 30: {"reopen_for": 45}}
HOPPING = {6: {"reopen_for": 9, "every": 3}, 30: {"reopen_for": 20, "every": 6}}
MIXED = {12: {"reopen_for": 5, "every": 2, "out_of_order": 7}, 30: {"reopen_for": 9}}


TAGS = {
    "plc": (("line/press", "a", "good"), ("line/press", "b", "scrap")),
    "plc/2": (("line/press", "a", "order"), ("line/press", "c", "state")),
    "2": (("line/press/plc", "a", "total"), ("line/press/plc", "b", "signal")),
}


STATES = {
    "codes": States(state="c", producing=(0,), failure=(101325,), unmapped="delay"),
    "rule": States(producing_when="b > 0 for 4 us", otherwise="delay"),
}
KPIS = {"every": "10 us", "sliding": "30 us", "reopen_for": "25 us", "minor_stop_below": "8 us"}


def plant(
    hold=12,
    out_of_order=5,
    clock_ahead=40,
    sizes=TUMBLING,
    tags=TAGS,
    output="press",
    detector="pca",
    grid=3,
    kpis=None,
    run_time=1.0,
    more=False,
):
    us = {n: timedelta(microseconds=n) for n in range(100)}
    windows = Windows(
        hold=us[hold],
        out_of_order=us[out_of_order],
        clock_ahead=us[clock_ahead],
        sizes={
            us[size]: WindowSize(**{name: us[length] for name, length in window.items()})
            for size, window in sizes.items()
        },
    )
    rows = {
        source: tuple(Tag(asset=a, tag=t, role=role, address="1", max=999.0) for a, t, role in tags)
        for source, tags in tags.items()
    }
    scores = AnomalyScoresSettings(
        detector=detector,
        grid=us[grid],
        max_age=us[90],
        settle=us[9],
        monitor=MonitorSettings(warm_up=20, memory=60, drift_span=5),
    )
    if more:
        rows["plc/3"] = (
            Tag(asset="hall/saw", tag="made", role="good", address="1", max=99.0),
            Tag(asset="hall/saw", tag="c", role="state", address="2"),
        )
    return Plant(
        site=Site(path="acme/bremen"),
        windows=windows,
        lines={"line": Line(output=output, constraint="press")}
        | ({"hall": Line(output="saw", constraint="saw")} if more else {}),
        assets={"line/press": Asset(states="codes"), "line/press/plc": Asset(states="rule")}
        | ({"hall/saw": Asset(states="codes")} if more else {}),
        states=STATES,
        kpis=Kpis.model_validate({**KPIS, **(kpis or {})}),
        run_times={("", "line/press"): 1e-6 * run_time}
        | ({("", "hall/saw"): 2e-6} if more else {}),
        tags=rows,
        processors={"anomaly-scores": scores},
    )


OTHERS = [
    plant(hold=13),
    plant(out_of_order=6),
    plant(clock_ahead=41),
    plant(sizes=TUMBLING | {10: {"reopen_for": 1}}),
    plant(sizes=TUMBLING | {10: {"reopen_for": 0, "every": 5}}),
    plant(sizes=TUMBLING | {10: {"reopen_for": 0, "every": 10, "out_of_order": 5}}),
    plant(sizes=TUMBLING | {10: {"reopen_for": 0, "out_of_order": 4}}),
    plant(sizes=HOPPING),
    plant(sizes=MIXED),
    plant(tags=TAGS | {"2": (("line/press/plc", "a", "good"),)}),
    plant(output="press/plc"),
    plant(detector="half-space-trees"),
    plant(grid=4),
    plant(kpis={"minor_stop_below": "9 us"}),
    plant(kpis={"reopen_for": "24 us"}),
    plant(kpis={"every": "5 us"}),
    plant(kpis={"plausible_rate": 4}),
    plant(run_time=2.0),
    plant(),
]


def classes(package, base):
    """All concrete subclasses of a class that the modules of a package define."""
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.ispkg:
            for _, found in inspect.getmembers(importlib.import_module(module.name)):
                if inspect.isclass(found) and issubclass(found, base) and found is not base:
                    yield found


def processors():
    named = [components.load("processors", name) for name in components.names("processors")]
    return sorted({*named, *classes(streams, Processor)}, key=lambda one: one.name)


LINES = lines_of(plant())


@st.composite
def alert_inputs(draw):
    """Scores and acknowledgements as they may arrive; windows have tests of their own."""
    scores, words = draw(score_mixes()), []
    for _ in range(draw(st.integers(0, 2))):
        one = draw(st.sampled_from(scores))
        name = identity(one.asset, "anomaly/pca", one.time)
        words.append(Acknowledgement(draw(st.integers(0, 3)), "ann", name, one.asset))
    found = [Of("ot.anomalies.v1", one) for one in scores]
    for word in words:
        found.insert(draw(st.integers(0, len(found))), Of("dmz.alert-acknowledgements.v1", word))
    return found


def records_of(processor, sizes):
    if processor.reads[0].record == "SensorEvent":
        return record_lists(longest=8)
    if processor.reads[0].record == "AnomalyScore":
        return alert_inputs()
    if processor.reads[0].record == "KpiWindow":
        return order_mixes(*(one.topic for one in processor.reads))
    if processor.reads[0].record == "ProductionPartial":
        return production_lists(work_units(plant()), every=10, longest=8)
    return partial_lists(LINES, list(sizes), longest=8)


CASES = {
    f"{processor.name}-{name}": (
        subject(processor, plant(sizes=sizes), OTHERS, plant(sizes=sizes, more=True)),
        records_of(processor, sizes),
    )
    for processor in processors()
    for name, sizes in (("tumbling", TUMBLING), ("hopping", HOPPING), ("mixed", MIXED))
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(data=st.data())
@settings(max_examples=6)
def test_every_operator(case, check, data):
    operator, records = case
    check(operator, data.draw(records))


def test_no_operator_is_left_out():
    operators = importlib.import_module("streams.operators")
    tested = {type(operator.make()) for operator, _ in CASES.values()}
    assert tested >= set(classes(operators, Operator))


def test_a_stop_that_ends_in_a_later_record_is_no_minor_stop_of_a_pane_told_before() -> None:
    press = "acme/bremen/line/press"
    ingest = 1_700_000_000_000_009
    opened = [("a", 1_699_999_999_999_979, 0.0)] * 4 + [
        ("a", 1_700_000_000_000_010, 0.0),
        ("c", 1_699_999_999_999_979, 1.0),
    ]
    ended = [("a", 1_699_999_999_999_979, 0.0), ("c", 1_699_999_999_999_981, 0.0)]
    records = [
        Record(press, "plc/2", opened, ingest),
        Record(press, "plc", [], ingest),
        Record(press, "plc/2", ended, ingest),
    ]
    (one,) = (each for each in subjects(plant()) if each.name == "production-partials")
    check_split(one, records)
