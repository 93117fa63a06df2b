"""What ERP is told of orders, and how its orders are read."""

import json
import math

import pytest

from penstock.errors import DecodeError, StateError
from penstock.factory import write_factory
from penstock.settings.loader import load_plant
from penstock.testing.ordering import OrderFeed, made, wanted
from schemas import ProductionOrder, Version
from streams.operators.order_performance import OrderPerformance
from streams.operators.orders.parameters import OrderParameters
from streams.orders import OrderPerformanceProcessor

PRESS, LINE = "acme/bremen/line/press", "acme/bremen/line"
RUN_TIMES = {PRESS: {"p": 2.0}, LINE: {"": 3.0}}


def operator(keep=1000):
    return OrderPerformance(OrderParameters(keep, RUN_TIMES))


def told(operator, *records):
    output = operator.update(OrderFeed().batch(records, 0))
    return [result.record for result in output.results]


def test_an_order_is_told_as_it_starts_and_as_it_is_completed_with_its_plan():
    both = operator()
    assert told(both, wanted("A")) == []
    (started,) = told(both, made("A", 1), made("A", 2, end=20, good=9.0))
    assert (started.completed, started.start, started.end) == (False, 0, 0)
    assert math.isnan(started.good) and started.flags == ()
    (completed,) = told(both, made("A", 3, end=30, good=11.0, scrap=2.0, final=True))
    assert (completed.completed, completed.revision) == (True, 2)
    assert (completed.good, completed.scrap, completed.end) == (11.0, 2.0, 30)
    assert completed.request.quantity == 300 and completed.planned_run_time == 600


def test_late_samples_and_a_changed_order_revise_what_was_told():
    both = operator()
    told(both, wanted("A"), made("A", 1, final=True))
    (revised,) = told(both, made("A", 2, final=True, good=6.0))
    assert (revised.revision, revised.good) == (2, 6.0)
    (revised,) = told(both, wanted("A", 2, quantity=400.0, end=99))
    assert (revised.revision, revised.request.quantity, revised.request.end) == (3, 400.0, 99)


def test_what_comes_twice_or_is_older_says_nothing_new():
    both = operator()
    told(both, wanted("A", 2), made("A", 2, final=True))
    again = [wanted("A", 2), wanted("A", 1, quantity=1.0), made("A", 2, good=1.0), made("A", 1)]
    assert told(both, *again, made("", 9)) == []


def test_an_unknown_order_is_told_and_flagged_until_erp_sends_it():
    both = operator()
    (first,) = told(both, made("A", 1, final=True))
    assert first.request is None and first.flags == ("ERP has sent no such order",)
    assert math.isnan(first.planned_run_time)
    (later,) = told(both, wanted("A"))
    assert later.request.product == "p" and later.flags == () and later.revision == 2


def test_a_cancelled_order_and_one_made_elsewhere_are_flagged():
    both = operator()
    elsewhere = wanted("A", state="Cancelled", scope="acme/bremen/line/pressing")
    (found,) = told(both, elsewhere, made("A"))
    assert found.flags == (
        "the order is cancelled",
        "the order was to be made at acme/bremen/line/pressing",
    )
    (line,) = told(both, made("A", unit=LINE))  # the other machine is one of the line's
    assert line.flags == ("the order is cancelled",)
    assert line.planned_run_time == 900


def test_old_orders_are_forgotten_and_what_comes_of_them_later_is_late():
    both = operator(keep=160)
    told(both, wanted("A"), wanted("B", end=170), made("A", 1))
    assert set(both.changes()) == {"meta", "time", "o/A", "o/B"}
    told(both, made("C", 2, end=180))  # 10 is kept up to 170
    rows = both.changes()
    assert rows["o/A"] is None and rows["o/C"] is not None and "o/B" not in rows
    output = both.update(OrderFeed().batch([made("A", 3, final=True)], 0))
    assert list(output.results) == [] and output.late[0].reason == "too late"
    assert both.books.closed and both.books.late == 1


def test_what_is_doubtful_about_its_figures_is_told_of_a_completed_order():
    both, flags = operator(), ("counter scrap was reset",)
    (begun,) = told(both, wanted("A"), made("A", flags=flags))
    assert begun.flags == ()
    (over,) = told(both, made("A", 2, final=True, flags=flags))
    assert over.flags == flags


def test_state_of_format_1_is_read_and_saved_anew():
    before, after = operator(), operator()
    told(before, wanted("A"), made("A", flags=("doubtful",)), made("B", final=True))
    rows = before.changes()
    meta, orders = json.loads(rows["meta"]), {n: json.loads(rows[n]) for n in ("o/A", "o/B")}
    meta[0] = meta[0].replace("order-performance/2", "order-performance/1")
    for row in orders.values():
        row[1][0][0].pop(-2)
    former = {name: json.dumps(row).encode() for name, row in {"meta": meta, **orders}.items()}
    after.restore(rows | former)
    assert after.changes().keys() == rows.keys()
    assert told(after, made("B", final=True)) == []
    (over,) = told(after, made("A", 2, final=True))
    assert over.flags == () and over.revision == 2


def test_damaged_state_is_refused():
    rows = {name: row for name, row in operator().changes().items() if row}
    with pytest.raises(StateError, match="damaged"):
        operator().restore(rows | {"o/A": b"[1]"})
    with pytest.raises(StateError, match="the state is of"):
        operator(keep=9).restore(rows)


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    plant = load_plant(write_factory(tmp_path_factory.mktemp("factory")).plant)
    assert OrderPerformanceProcessor.wanted(plant)
    return OrderPerformanceProcessor(plant)


def datum(**more):
    requirement = {
        "MaterialDefinitionID": "7", "MaterialUse": "Produced", "Quantity": 5.0,
        "UnitOfMeasure": "EA",
    }  # fmt: skip
    return {
        "ID": "A", "Version": 1, "HierarchyScope": LINE, "StartTime": 1, "EndTime": 2,
        "RequestState": "Released", "MaterialRequirement": [requirement],
    } | more  # fmt: skip


def test_an_order_is_read(processor):
    found = processor.from_avro("ProductionOrder", datum())
    assert found == ProductionOrder("A", 1, LINE, 1, 2, "Released", "7", 5.0, "EA")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ID": ""}, "no ID"),
        ({"MaterialRequirement": []}, "0 materials"),
        ({"EndTime": 0}, "ends before it starts"),
        ({"RequestState": "Wanted"}, "'Wanted', neither Released nor Cancelled"),
        *(
            ({"MaterialRequirement": [{"MaterialUse": "Produced", "Quantity": quantity}]}, words)
            for quantity, words in ((-1.0, "is -1.0"), (math.nan, "is nan"), (math.inf, "is inf"))
        ),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(processor, wrong, words):
    with pytest.raises(DecodeError, match=words):
        processor.from_avro("ProductionOrder", datum(**wrong))


def test_versions_grow_with_revisions_and_over_resets(processor):
    operator = processor.operator()
    batch = OrderFeed().batch([made("A", 1, good=math.nan), made("A", 2, final=True)], 0)
    first, second = operator.update(batch).results
    reset = Version(1_800_000_000_001, (), 1)
    versions = [
        processor.to_avro(result, version)["Version"]
        for result, version in (
            (first, Version(1_800_000_000_000, (1,), 1)),
            (second, Version(1_800_000_000_000, (1,), 2)),
            (first, reset),
        )
    ]
    assert versions == sorted(set(versions)) and versions[-1] < 2**63
    assert processor.to_avro(first, reset)["MaterialActual"] == []
