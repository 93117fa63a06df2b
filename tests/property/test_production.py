"""Panes of an asset against a plain look at every microsecond."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise, takewhile

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from penstock.lines import Counter
from penstock.settings.production import Calendar, States
from penstock.shifts import ShiftCalendar
from penstock.testing.batches import Batches, Record
from penstock.work_units import WorkUnit
from streams.operators.production.asset import CONTRADICTION
from streams.operators.production.parameters import ProductionParameters
from streams.operators.production_partials import ProductionPartials

EVERY, HOLD, LATE, MINOR = 10, 12, 5, 8
ASSET, SOURCE = "acme/bremen/line/press", "plc"
CODES = {6: "producing", 5: "delay", 9: "failure", 4: "no_order"}
UNIT = WorkUnit(
    asset=ASSET,
    line="acme/bremen/line",
    tracks={
        (SOURCE, "state"): "state",
        (SOURCE, "mode"): "mode",
        (SOURCE, "order"): "order",
        (SOURCE, "good"): "good",
    },
    counters={(SOURCE, "good"): Counter("good", 99.0)},
    states=States(state="state", mode="mode", producing=(6,), delay=(5,), failure=(9,),
                  no_order=(4,), setup_modes=(4,)),
    calendar=ShiftCalendar(Calendar(shifts={"day": "00:00-00:00"}, days=("Thu",))),
)  # fmt: skip
PARAMETERS = ProductionParameters([UNIT], EVERY, LATE, HOLD, 10**6, 10**6, MINOR)
STATES = st.sampled_from([6.0, 6.0, 5.0, 5.0, 9.0, 4.0, 77.0])


@st.composite
def samples(draw):
    """Records of one asset, in order of time but for jitter beyond what is on time."""
    now, good, found = 1_000, 0.0, []
    for _ in range(draw(st.integers(1, 30))):
        now += draw(st.sampled_from([0, 1, 2, 4, 7, 11, 25]))
        tag = draw(st.sampled_from(["state", "state", "mode", "order", "good", "noise"]))
        value = 0.0
        if tag == "good":
            good = value = (good + draw(st.sampled_from([0, 1, 5, 40]))) % 100
        elif tag == "state":
            value = draw(STATES)
        elif tag == "mode":
            value = draw(st.sampled_from([1.0, 1.0, 4.0]))
        elif tag == "order":
            value = draw(st.sampled_from(["O-1", "O-2"]))
        quality = draw(st.sampled_from([True, True, True, True, False]))
        at = now - draw(st.sampled_from([0, 0, 0, 3, 4, 9, 20]))
        found.append(Record(ASSET, SOURCE, [(tag, at, value, quality)], now + 100))
    return found


def published(records):
    """The last partial of each pane, the samples that were taken, when the source was heard, and up
    to when all is known."""
    operator, batches = ProductionPartials(PARAMETERS), Batches()
    panes, taken, heard = {}, [], []
    for record in records:
        output = operator.update(batches.of(record))
        if not output.late:
            taken.append(record.samples[0])
        if {one.reason for one in output.late} <= {CONTRADICTION}:
            heard.append(record.samples[0][1])  # the source lives, whatever it says
        panes |= {one.record.pane_start: one.record for one in output.results}
    return panes, taken, heard, operator.watermarks()[ASSET, SOURCE]


def at(taken, tag, time):
    """What a tag said at a time: of equal times what came last."""
    said = [one for one in taken if one[0] == tag and one[1] <= time]
    last = max(said, key=lambda one: one[1], default=None)
    if last is not None:
        last = [one for one in said if one[1] == last[1]][-1]
    return last[2] if last is not None and last[3] else None


def shown_order(taken, time):
    """The order at a time; while nobody knows it, the one before."""
    while time > 0 and (order := at(taken, "order", time)) is None:
        earlier = [one[1] for one in taken if one[0] == "order" and one[1] <= time]
        time = max(earlier, default=0) - 1
    return order or "" if time > 0 else ""


def element(taken, heard, time):
    if not any(one <= time < one + HOLD for one in heard):
        return "unknown"
    if at(taken, "mode", time) == 4:
        return "setup"
    state = at(taken, "state", time)
    return "unknown" if state is None else CODES.get(int(state), "unknown")


def elements(taken, heard, level):
    """The element of every microsecond from the first sample to the level."""
    first = min(heard, default=0) // EVERY * EVERY
    found = {time: element(taken, heard, time) for time in range(first, level)}
    start = None
    for time in range(first, level + 1):
        delayed = found.get(time) == "delay"
        if delayed and start is None:
            start = time
        elif not delayed and start is not None:
            if time < level and time - start < MINOR:
                found |= dict.fromkeys(range(start, time), "minor_stop")
            start = None
    return found


def known_again(taken, tag, before, time):
    """When a tag, after one time and by another, was last known again; since when it was not."""
    first = min((one[1] for one in taken if one[0] == tag), default=time)
    spans = range(time, max(first, before), -1)
    known = (one for one in spans if at(taken, tag, one) is not None)
    again = next((one for one in known if at(taken, tag, one - 1) is None), 0)
    lost = takewhile(lambda one: at(taken, tag, one) is None, range(again - 1, first - 1, -1))
    return again, min(lost, default=0)


def counts_for(taken, heard, before, time, more):
    """The order for which pieces count by which the counter rose between two readings."""
    again = time
    for one in sorted((one for one in heard if one <= time), reverse=True):
        again = one if again - one <= HOLD else again
    first = min((one[1] for one in taken if one[0] == "order"), default=time + 1)
    shown = [at(taken, "order", one) for one in range(time, first - 1, -1)]
    order = shown[0] if shown and shown[0] else ""
    since = max((one for one in heard if one < again), default=before)
    known, lost = known_again(taken, "order", before, time)
    since, again = (lost, known) if known >= again else (since, again)
    if before >= again or (more <= 2 and time - again > HOLD):
        return order
    same = list(takewhile(lambda one: one in (None, order), shown))
    earlier = sorted(one for one in heard if before <= one <= since)
    told = all(b - a <= HOLD for a, b in pairwise([before, *earlier]))
    told &= all(at(taken, "order", one) is not None for one in range(max(before, first), since))
    return order if order in same[time - (since if told else before) :] else ""


def rises(taken):
    """(time, pieces, time of the reading before) of the counter."""
    values = {}
    for tag, time, value, good in taken:
        if tag == "good" and good:
            values[time] = value
    found, before, last = [], None, 0
    for time, value in sorted(values.items()):
        if before is not None:
            rolled = 100 - before + value
            more = value - before if value >= before else rolled if rolled <= 49.5 else value
            found.append((time, more, last))
        before, last = value, time
    return found


@given(samples())
@example([Record(ASSET, SOURCE, [("state", at, 6.0, at != 996)], at + 100)
          for at in (1000, 981, 1005, 996)])  # fmt: skip
@example(
    [
        Record(ASSET, SOURCE, [one], one[1] + 100)
        for one in (
            ("order", 1001, "O-1", True),
            ("state", 1010, 6.0, True),
            ("order", 1015, "O-1", False),
            *(("state", at, 6.0, True) for at in range(1020, 1060, 5)),
            ("order", 1012, "O-2", True),
        )
    ]
)
@settings(max_examples=150)
def test_panes_are_what_every_microsecond_says(records):
    panes, taken, heard, level = published(records)
    told = elements(taken, heard, level)
    pieces = rises(taken)
    for start, partial in panes.items():
        wanted = defaultdict(int)
        for time in range(start, start + EVERY):
            key = (at(taken, "order", time) or "", told.get(time, "unknown"), "planned")
            wanted[key] += 1
        assert partial.order == shown_order(taken, start + EVERY - 1)
        found = {(one.order, one.element, one.planning): one.duration for one in partial.times}
        assert found == wanted
        assert sum(one.duration for one in partial.times) == EVERY
        made = defaultdict(float)
        for time, more, before in pieces:
            if start <= time < start + EVERY and more:
                made[counts_for(taken, heard, before, time, more)] += more
        by_order = defaultdict(float)
        for one in partial.pieces:
            by_order[one.order] += one.good
        assert {order: good for order, good in by_order.items() if good} == made
        failed = sum(one.end - one.begin for one in partial.failures)
        assert failed == sum(n for (_, what, _), n in wanted.items() if what == "failure")
    for time, what in told.items():
        pane = time // EVERY * EVERY
        if what != "unknown" and pane + EVERY <= level:
            assert pane in panes, "nothing that is known is left out"


CAMERA = "camera"
SEEN = replace(
    UNIT,
    tracks={**UNIT.tracks, (CAMERA, "good"): "good"},
    counters={(CAMERA, "good"): Counter("good", None)},
)


@st.composite
def two_sources(draw):
    """Records of a PLC, and of a camera that counts, in order; both are heard at the end."""
    now, good, found = 1_000, 0.0, []
    for _ in range(draw(st.integers(2, 25))):
        now += draw(st.sampled_from([1, 2, 5, 11, 40]))
        if draw(st.booleans()):
            good += draw(st.sampled_from([0, 1, 2, 9]))
            found.append(Record(ASSET, CAMERA, [("good", now, good)], now + 100))
        if draw(st.booleans()):
            order = draw(st.sampled_from(["O-1", "O-2"]))
            found.append(Record(ASSET, SOURCE, [("state", now, 6.0), ("order", now, order)],
                                now + 100))  # fmt: skip
    return found, [Record(ASSET, source, [("noise", now + 200, 0.0)], now + 300)
                   for source in (SOURCE, CAMERA)]  # fmt: skip


def told(records):
    """Of each pane what its last partial says, where that is anything."""
    operator, batches = ProductionPartials(replace(PARAMETERS, units=[SEEN])), Batches()
    panes, late = {}, False
    for record in records:
        output = operator.update(batches.of(record))
        late |= bool(output.late)
        panes |= {one.record.pane_start: one.record for one in output.results}
    known = {"unknown"}
    said = {
        start: (one.times, one.pieces, one.order, one.flags)
        for start, one in panes.items()
        if one.pieces or {time.element for time in one.times} != known
    }
    return None if late else said


@given(two_sources(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_two_sources_say_the_same_in_whatever_order_they_come(records, chance):
    begun, ended = records
    shuffled = chance.sample(begun, len(begun))
    first, second = told([*begun, *ended]), told([*shuffled, *ended])
    assume(first is not None and second is not None)  # else a value was refused that contradicts
    assert first == second
