"""For which order pieces count that were made while nobody heard of the machine."""

from dataclasses import replace

import pytest

from penstock.lines import Counter
from penstock.settings.production import States
from penstock.testing.batches import Batches, Record
from penstock.work_units import WorkUnit
from streams.operators.production.parameters import ProductionParameters
from streams.operators.production_partials import ProductionPartials

S = 1_000_000
ASSET, SOURCE = "acme/bremen/line/press", "plc"
UNIT = WorkUnit(
    asset=ASSET,
    line="acme/bremen/line",
    tracks={(SOURCE, tag): tag for tag in ("state", "order", "good")},
    counters={(SOURCE, "good"): Counter("good", None)},
    states=States(state="state", producing=(6,)),
)
PARAMETERS = ProductionParameters([UNIT], 10 * S, 0, 3 * S, 10**12, 10**12, 0)
ROSE = "counter good rose by 9 while nothing was heard"


def seen(second, order, good, quality=True):
    """All that the machine says at a second."""
    told = (("state", 6.0), ("order", order), ("good", good))
    return Record(ASSET, SOURCE, [(tag, second * S, value, quality) for tag, value in told])


def panes(*records):
    """The newest partial of each pane, by the second at which it begins."""
    operator, batches = ProductionPartials(PARAMETERS), Batches()
    results = [one for record in records for one in operator.update(batches.of(record)).results]
    return {one.record.pane_start // S: replace(one.record, late=()) for one in results}


def heard(first, last, order, good):
    """Second by second, one piece each."""
    return [seen(second, order, good + second - first) for second in range(first, last)]


def pieces(partial):
    return {one.order: one.good for one in partial.pieces}


@pytest.mark.parametrize(("order", "counted"), [("A", {"A": 16.0}), ("B", {"": 9.0, "B": 7.0})])
def test_they_count_for_an_order_that_was_shown_before_and_after(order, counted):
    found = panes(*heard(0, 10, "A", 0), *heard(22, 45, order, 18))
    assert pieces(found[0]) == {"A": 9.0}
    assert pieces(found[20]) == counted
    assert found[20].flags == (ROSE,) and found[30].flags == ()


def test_a_flag_of_bad_quality_is_a_silence_too():
    lost = [seen(10, "A", 9.0, quality=False)]
    found = panes(*heard(0, 10, "A", 0), *lost, *heard(12, 25, "B", 18))
    assert pieces(found[10]) == {"": 9.0, "B": 7.0} and found[10].flags == (ROSE,)


def test_an_order_that_was_unknown_before_the_counter_was_read_is_no_order():
    def half(second, **told):
        samples = [(tag, second * S, value, value != "?") for tag, value in told.items()]
        return Record(ASSET, SOURCE, [("state", second * S, 6.0, True), *samples])

    lost = [half(10, order="?"), half(12, good=10.0), *(half(one) for one in range(13, 20))]
    found = panes(*heard(0, 10, "A", 0), *lost, *heard(20, 35, "B", 19))
    assert pieces(found[20]) == {"": 9.0, "B": 9.0} and found[20].flags == (ROSE,)


def test_an_order_that_changes_while_the_machine_is_heard_has_the_piece_of_the_change():
    found = panes(*heard(0, 10, "A", 0), *heard(10, 25, "B", 10))
    assert pieces(found[10]) == {"B": 10.0} and found[10].flags == ()


def test_late_samples_that_fill_a_silence_give_its_pieces_their_order():
    gap = heard(10, 22, "A", 10)  # which panes say that they were late depends on how they came
    found = panes(*heard(0, 10, "A", 0), *heard(22, 45, "B", 22), *gap)
    assert found == panes(*heard(0, 10, "A", 0), *heard(22, 45, "B", 22), *reversed(gap))
    assert pieces(found[10]) == {"A": 10.0}
    assert pieces(found[20]) == {"A": 2.0, "B": 8.0} and found[20].flags == ()
