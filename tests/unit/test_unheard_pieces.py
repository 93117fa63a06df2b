"""For which order pieces count that were made while nobody heard of the machine."""

from collections import Counter as Counted
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
HEARD = None
"""Of pieces that were seen being made: since when."""
ROSE = "counter good rose unseen"


def seen(second, order, good, quality=True):
    """All that the machine says at a second."""
    told = (("state", 6.0), ("order", order), ("good", good))
    return Record(ASSET, SOURCE, [(tag, second * S, value, quality) for tag, value in told])


def said(second, **told):
    """That it produces, and something more; "?": nobody knows."""
    samples = [(tag, second * S, value, value != "?") for tag, value in told.items()]
    return Record(ASSET, SOURCE, [("state", second * S, 6.0, True), *samples])


def panes(*records, by=PARAMETERS):
    """The newest partial of each pane, by the second at which it begins."""
    operator, batches = ProductionPartials(by), Batches()
    results = [one for record in records for one in operator.update(batches.of(record)).results]
    return {one.record.pane_start // S: replace(one.record, late=()) for one in results}


def heard(first, last, order, good):
    """Second by second, one piece each."""
    return [seen(second, order, good + second - first) for second in range(first, last)]


def pieces(partial):
    """By order, and since when they were made if nobody saw it."""
    found = Counted()
    for one in partial.pieces:
        found[one.order, one.since] += one.good
    return {origin: good for origin, good in found.items() if good}


@pytest.mark.parametrize(("order", "counted"), [("A", "A"), ("B", "")])
def test_they_count_for_an_order_that_was_shown_before_and_after(order, counted):
    found = panes(*heard(0, 10, "A", 0), *heard(22, 45, order, 18))
    assert pieces(found[0]) == {("A", HEARD): 9.0}
    assert pieces(found[20]) == {(counted, 9 * S): 9.0, (order, HEARD): 7.0}
    assert found[20].flags == (ROSE,) and found[30].flags == ()


def test_a_flag_of_bad_quality_is_a_silence_too():
    lost = [seen(n, "A", 9.0, quality=False) for n in range(10, 14)]
    found = panes(*heard(0, 10, "A", 0), *lost, *heard(14, 25, "B", 18))
    assert pieces(found[10]) == {("", 10 * S): 9.0, ("B", HEARD): 5.0}
    assert found[10].flags == (ROSE,)


def test_an_order_that_was_unknown_before_the_counter_was_read_is_no_order():
    lost = [said(10, order="?"), said(12, good=10.0), *(said(one) for one in range(13, 20))]
    found = panes(*heard(0, 10, "A", 0), *lost, *heard(20, 35, "B", 19))
    assert pieces(found[20]) == {("", HEARD): 9.0, ("B", HEARD): 9.0}
    assert found[20].flags == (ROSE,)


def test_an_order_that_changes_while_the_machine_is_heard_has_the_piece_of_the_change():
    found = panes(*heard(0, 10, "A", 0), *heard(10, 25, "B", 10))
    assert pieces(found[10]) == {("B", HEARD): 10.0} and found[10].flags == ()


def test_a_rare_piece_after_a_silence_was_heard_of_though_its_counter_is_sent_on_change_only():
    before = [*heard(0, 10, "A", 0), *(said(one) for one in range(10, 40))]
    after = [said(50, order="B"), *(said(one) for one in range(51, 58)), said(58, good=10.0)]
    found = panes(*before, *after, *(said(one) for one in range(59, 75)))
    assert pieces(found[50]) == {("B", HEARD): 1.0} and found[50].flags == ()


def test_what_shows_when_the_machine_is_heard_again_nobody_saw_being_made():
    """However few or many, and however fast the machine is."""
    fast = replace(PARAMETERS, units=[replace(UNIT, run_times={"": 0.5})])
    again = [said(22, order="B"), said(23, good=80.0), said(24, good=82.0)]
    found = panes(*heard(0, 10, "A", 0), *again, *(said(n) for n in range(25, 35)), by=fast)
    assert pieces(found[20]) == {("", 9 * S): 71.0, ("B", HEARD): 2.0}
    few = [said(22, order="B"), said(23, good=15.0), said(24, good=17.0)]
    found = panes(*heard(0, 10, "A", 0), *few, *(said(n) for n in range(25, 35)), by=fast)
    assert pieces(found[20]) == {("", 9 * S): 6.0, ("B", HEARD): 2.0}
    assert found[20].flags == (ROSE,)


@pytest.mark.parametrize(("each", "whose"), [(3.0, ("B", None)), (60.0, ("", 9 * S))])
def test_a_piece_counts_as_it_shows_if_it_can_have_been_made_since_the_silence(each, whose):
    """At a plausible rate of three times the planned one."""
    by = replace(PARAMETERS, units=[replace(UNIT, run_times={"": each})])
    again = [said(22, order="B"), said(23), said(24, good=10.0)]
    found = panes(*heard(0, 10, "A", 0), *again, *(said(n) for n in range(25, 35)), by=by)
    assert pieces(found[20]) == {whose: 1.0}


def test_a_seldom_piece_of_a_lost_link_counts_for_the_order_that_was_shown_before_and_after():
    """However old the last reading of its counter: while the machine was heard, it told."""
    before = [seen(0, "A", 5.0), *(said(n) for n in range(1, 20)), said(20, order="B")]
    lost = [Record(ASSET, SOURCE, [(tag, 25 * S, value, False) for tag, value in
                                   (("state", 6.0), ("order", "B"), ("good", 5.0))])]  # fmt: skip
    before += [said(n) for n in range(21, 25)]
    found = panes(*before, *lost, seen(28, "B", 6.0), *(said(n) for n in range(29, 45)))
    assert pieces(found[20]) == {("B", 25 * S): 1.0} and found[20].flags == (ROSE,)


def test_pieces_are_of_the_last_product_while_that_is_not_known():
    tracks = {**UNIT.tracks, (SOURCE, "product"): "product"}
    by = replace(PARAMETERS, units=[replace(UNIT, tracks=tracks)])
    records = [said(0, order="A", product="p", good=0.0), said(1, product="?"), said(2, good=2.0)]
    records += [said(n) for n in range(3, 25)]
    (made,) = panes(*records, by=by)[0].pieces
    assert (made.product, made.good) == ("p", 2.0)
    late = Record(ASSET, SOURCE, [("product", S // 2, "q", True)])
    (made,) = panes(*records, late, by=by)[0].pieces
    assert (made.product, made.good) == ("q", 2.0)


def test_an_order_that_came_back_in_a_silence_is_another_one():
    back = [said(12, order="B"), said(22, order="A", good=18.0), *heard(23, 35, "A", 19)]
    found = panes(*heard(0, 10, "A", 0), *back)
    assert pieces(found[20]) == {("", 12 * S): 9.0, ("A", HEARD): 7.0}


def test_late_samples_that_fill_a_silence_give_its_pieces_their_order():
    gap = heard(10, 22, "A", 10)  # which panes say that they were late depends on how they came
    found = panes(*heard(0, 10, "A", 0), *heard(22, 45, "B", 22), *gap)
    assert found == panes(*heard(0, 10, "A", 0), *heard(22, 45, "B", 22), *reversed(gap))
    assert pieces(found[10]) == {("A", HEARD): 10.0}
    assert pieces(found[20]) == {("A", HEARD): 2.0, ("B", HEARD): 8.0} and found[20].flags == ()


def test_a_silence_that_late_samples_fill_is_none_for_a_rise_in_a_later_pane():
    quick = replace(PARAMETERS, units=[replace(UNIT, run_times={"": 0.5})])
    again = [*(said(n, order="B") for n in range(22, 31)), said(31, good=80.0)]
    records = [*heard(0, 10, "A", 0), *again, *(said(n) for n in range(32, 45))]
    assert pieces(panes(*records, by=quick)[30]) == {("", 9 * S): 71.0}
    gap = [said(n) for n in range(10, 22)]
    assert pieces(panes(*records, *gap, by=quick)[30]) == {("B", HEARD): 71.0}


def test_a_machine_that_is_heard_more_seldom_than_values_hold_has_its_pieces_and_is_flagged():
    found = panes(*(seen(n, "A", n / 4) for n in range(0, 60, 4)))
    assert [sum(pieces(found[start]).values()) for start in (10, 20, 30)] == [2.0, 3.0, 2.0]
    assert {one.order for one in found[20].pieces} == {"A"} and found[20].flags == (ROSE,)


def test_pieces_of_a_silence_say_in_which_time_they_were_made():
    (made,) = panes(*heard(0, 10, "A", 0), seen(21, "A", 18.0), seen(35, "A", 18.0))[20].pieces
    assert made.good == 9.0
    assert (made.since, made.known_until, made.until) == (9 * S, 12 * S, 21 * S)


def test_pieces_that_show_while_the_state_is_bad_say_so():
    bad = [Record(ASSET, SOURCE, [("state", n * S, 6.0, False), ("good", n * S, float(n))])
           for n in range(13, 18)]  # fmt: skip
    found = panes(*heard(0, 13, "A", 0), *bad, *heard(18, 35, "A", 18))[10]
    assert [(one.good, one.since, one.until, one.state_known) for one in found.pieces] == [
        (5.0, None, None, False), (4.0, None, None, True), (1.0, 13 * S, 18 * S, True)
    ]  # fmt: skip
    assert {one.order for one in found.pieces} == {"A"} and found.flags == ()


def test_an_order_that_changed_while_the_link_was_lost_gets_none_of_the_pieces_of_that_time():
    """However short it was: on connecting again the server gives the order with its time."""
    lost = [Record(ASSET, SOURCE, [(tag, 10 * S, value, False) for tag, value in
                                   (("state", 6.0), ("order", "A"), ("good", 9.0))])]  # fmt: skip
    again = [said(11, order="B"), said(12, good=60.0)]
    found = panes(*heard(0, 10, "A", 0), *lost, *again, *heard(13, 30, "B", 61))
    assert pieces(found[10]) == {("", 10 * S): 51.0, ("B", HEARD): 7.0}
    assert found[10].flags == (ROSE,)


def test_a_counter_that_is_read_before_the_state_is_known_again_rose_unseen():
    """A server that was away gives its values again one after another."""
    lost = Record(ASSET, SOURCE, [(tag, 10 * S, value, False) for tag, value in
                                  (("state", 6.0), ("order", "A"), ("good", 9.0))])  # fmt: skip
    again = Record(ASSET, SOURCE, [("good", 12 * S, 60.0, True)])
    found = panes(*heard(0, 10, "A", 0), lost, again, *heard(13, 30, "B", 61))
    (made, *_) = found[10].pieces
    assert (made.good, made.order) == (51.0, "")
    assert (made.since, made.known_until, made.until) == (10 * S, 10 * S, 12 * S)
    assert found[10].flags == (ROSE,)


def test_a_seldom_counter_whose_readings_of_a_silence_were_too_late_tells_of_the_silence():
    """Its next rise, long after, shows all that was scrapped meanwhile."""
    scrap = Counter("scrap", None)
    tracks = {**UNIT.tracks, (SOURCE, "scrap"): "scrap"}
    counters = {**UNIT.counters, (SOURCE, "scrap"): scrap}
    by = replace(PARAMETERS, units=[replace(UNIT, tracks=tracks, counters=counters)])
    before = [said(0, order="A", good=0.0, scrap=3.0), *(said(n) for n in range(1, 10))]
    after = [said(n, order="B") for n in range(1000, 1300)]
    last = [said(1300, scrap=370.0), *(said(n) for n in range(1301, 1320))]
    (made,) = panes(*before, *after, *last, by=by)[1300].pieces
    assert (made.order, made.scrap, made.since) == ("", 367.0, 9 * S)
    one = panes(*before, *after, said(1300, scrap=4.0), *last[1:], by=by)[1300].pieces
    assert [(made.order, made.scrap, made.since) for made in one] == [("B", 1.0, None)]


def test_two_counters_of_a_silence_go_together():
    both = {(SOURCE, "good"): Counter("good", None), (SOURCE, "total"): Counter("total", None)}
    tracks = {**UNIT.tracks, (SOURCE, "total"): "total"}
    unit = replace(UNIT, counters=both, tracks=tracks, run_times={"": 1.0})
    by = replace(PARAMETERS, units=[unit])
    for more in (1.0, 9.0):
        first = [("state", 9 * S, 6.0, True), ("order", 9 * S, "A", True)]
        first += [("good", 9 * S, 0.0, True), ("total", 9 * S, 0.0, True)]
        then = [("state", 21 * S, 6.0, True), ("order", 21 * S, "B", True)]
        then += [("good", 21 * S, more, True), ("total", 21 * S + 10_000, more, True)]
        records = [Record(ASSET, SOURCE, one) for one in (first, then)]
        found = panes(*records, *(said(n) for n in range(22, 40)), by=by)[20].pieces
        assert {(one.order, one.since) for one in found} == {("", 9 * S)}
        assert sum(one.good for one in found) == sum(one.total for one in found) == more


def test_changes_that_are_told_after_a_silence_do_not_tell_that_it_was_none():
    """A server gives, on connecting, what changed meanwhile with the times of the changes."""
    told = [("order", 12 * S, "B", True), ("mode", 17 * S, 1.0, True), ("good", 22 * S, 18.0, True)]
    records = [*heard(0, 10, "A", 0), Record(ASSET, SOURCE, told), *heard(23, 45, "B", 19)]
    assert pieces(panes(*records)[20]) == {("", 17 * S): 9.0, ("B", HEARD): 7.0}


def test_an_order_that_was_unknown_for_moments_was_shown_all_the_while():
    """However long ago those were: what was before them is not remembered."""
    brief = replace(PARAMETERS, reopen_for=20 * S)
    records = [*heard(0, 10, "A", 0), said(12, order="?"), *(said(n) for n in range(13, 90))]
    records += [said(90, order="A"), *(said(n, order="A") for n in range(91, 300))]
    records += [said(300, order="?"), said(302, order="A", good=400.0)]
    found = panes(*records, *(said(n, order="A") for n in range(303, 330)), by=brief)
    assert pieces(found[300]) == {("A", HEARD): 391.0} and found[300].flags == (ROSE,)


@pytest.mark.parametrize(("then", "made", "flag"), [(3.0, 3.0, "was reset"), (9.0, 0.0, "")])
def test_a_counter_that_was_reset_in_a_silence(then, made, flag):
    found = panes(*heard(0, 10, "A", 0), *(seen(n, "B", then) for n in range(22, 45)))[20]
    assert sum(pieces(found).values()) == made
    assert any(flag in one for one in found.flags) == bool(flag)


CAMERA = replace(
    UNIT,
    counters={("camera", "good"): Counter("good", None)},
    tracks={(SOURCE, "state"): "state", (SOURCE, "order"): "order", ("camera", "good"): "good"},
)


def counted(second, good):
    return Record(ASSET, "camera", [("good", second * S, good)])


@pytest.mark.parametrize("again", [21, 22])
def test_counters_of_another_source_are_judged_by_the_silence_of_the_states(again):
    """Whichever of the two comes back first."""
    by = replace(PARAMETERS, units=[CAMERA])
    plc = [*(said(n, order="A") for n in range(10)), *(said(n, order="B") for n in range(22, 45))]
    camera = [*(counted(n, n) for n in range(10)), *(counted(n, n - 4) for n in range(again, 45))]
    found = panes(*sorted([*plc, *camera], key=lambda one: one.samples[0][1]), by=by)
    assert pieces(found[20]) == {("", 9 * S): 9.0, ("B", HEARD): 7.0}


def test_a_counter_of_another_source_may_have_risen_for_an_earlier_order():
    """Its own source may have been silent while the state's was heard."""
    by = replace(PARAMETERS, units=[CAMERA])
    plc = [*(said(n, order="A" if n < 10 else "B") for n in range(20)),
           *(said(n, order="B") for n in range(30, 45))]  # fmt: skip
    camera = [counted(0, 0), *(counted(n, n) for n in range(30, 45))]
    found = panes(*sorted([*plc, *camera], key=lambda one: one.samples[0][1]), by=by)
    assert pieces(found[30]) == {("", 19 * S): 30.0, ("B", HEARD): 9.0}


def test_a_pane_that_has_lost_its_only_pieces_to_an_earlier_one_is_told_so():
    by = replace(PARAMETERS, units=[CAMERA])
    late = [
        said(0),
        counted(0, 5),
        counted(34, 6),
        *(said(n) for n in range(60, 75)),
        counted(75, 6),
    ]
    found = panes(*late, counted(22, 6), by=by)
    assert sum(sum(pieces(one).values()) for one in found.values()) == 1.0
    assert pieces(found[20]) and found[30].pieces == ()


def test_a_piece_at_the_very_time_up_to_which_all_is_known_is_counted():
    by = replace(PARAMETERS, units=[CAMERA])
    records = [said(0), counted(0, 5), counted(32, 7), counted(29, 6)]
    found = panes(*records, *(said(n) for n in range(50, 65)), counted(65, 7), by=by)
    assert sum(sum(pieces(one).values()) for one in found.values()) == 2.0
