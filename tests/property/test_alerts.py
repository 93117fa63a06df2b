"""Alerts against a plain computation over all scores at once."""

import math
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.operator import RecordBatch
from penstock.testing.alerting import AlertFeed, score
from penstock.testing.determinism import CHECKS
from penstock.testing.strategies import ALERTED, score_lists, score_mixes
from penstock.testing.subject import Subject
from schemas import Acknowledgement, AlertState, Version
from streams.operators.alerting.book import identity
from streams.operators.alerting.history import LENGTH, SignalWindow
from streams.operators.alerting.parameters import AlertParameters
from streams.operators.alerts import Alerts

PARAMETERS = AlertParameters(on_delay=20, off_delay=30, deadband=5.0, window=10)
CAUSE = "anomaly/pca"


def make(**more):
    return Alerts(replace(PARAMETERS, **more))


@st.composite
def windows(draw):
    start = draw(st.integers(90, 200)) * 10
    means = draw(st.lists(st.floats(-9, 9), min_size=2, max_size=2))
    coverage = draw(st.sampled_from([0.0, 0.0, 0.2, 1.0]))
    version = Version(1, (draw(st.integers(0, 5)),), 1)
    asset, tags = draw(st.sampled_from(ALERTED)), ("oil", "current")
    return SignalWindow(asset, "plc", start, 10, tags, tuple(means), (coverage,) * 2, version)


@st.composite
def inputs(draw):
    """Scores, windows and acknowledgements of two assets, as they may arrive."""
    scores = draw(score_mixes())
    names = [(one.asset, identity(one.asset, CAUSE, one.time)) for one in scores]
    found = [*scores, *(draw(windows()) for _ in range(draw(st.integers(0, 4))))]
    found.sort(key=lambda one: getattr(one, "time", getattr(one, "start", 0)))
    for _ in range(draw(st.integers(0, 3))):
        asset, name = draw(st.sampled_from(names))
        word = Acknowledgement(draw(st.integers(0, 3)), draw(st.sampled_from("ab")), name, asset)
        found.insert(draw(st.integers(0, len(found))), word)
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(records=inputs())
@settings(max_examples=15)
def test_the_operator_keeps_what_the_host_relies_on(check, records):
    others = [lambda name=name: make(**{name: 7}) for name in ("on_delay", "off_delay", "window")]
    check(
        Subject("alerts", make, ("id",), [*others, make], feed=AlertFeed, out_of_order=5), records
    )


def run(records, operator=None):
    """The last state of each alert, in order of onset."""
    operator, found = operator or make(), {}
    for result in operator.update(RecordBatch(tuple(records), None)).results:
        found[result.record.id] = result.record
    return sorted(found.values(), key=lambda alert: alert.onset)


def verdict(one):
    if one.state not in ("ok", "alarm", "incomplete") or math.isnan(one.p_value):
        return None
    clears = one.state != "incomplete" and one.p_value >= 0.05
    return True if one.alarm else False if clears else None


def oracle(found):
    """(onset, raised, cleared) of each alert, from runs of equal verdicts."""
    known = [(verdict(one), one.time) for one in found if verdict(one) is not None]
    runs = [(holds, [time for _, time in run]) for holds, run in groupby(known, lambda k: k[0])]
    alerts, is_open, after = [], False, -math.inf
    onset = None
    for holds, times in runs:
        if holds and not is_open:
            onset = max(times[0], after)
            raised = next((time for time in times if time - onset >= 20), None)
            if raised is not None:
                alerts.append([onset, raised, None])
                is_open = True
        elif not holds and is_open:
            over = next((time for time in times if time - times[0] >= 30), None)
            if over is not None:
                alerts[-1][2], is_open, after = times[0], False, over
    return [tuple(one) for one in alerts]


@given(score_lists())
@settings(max_examples=300)
def test_alerts_are_the_runs_that_a_batch_computation_finds(found):
    alerts = run(found)
    assert [(one.onset, one.raised, one.cleared) for one in alerts] == oracle(found)
    for one in alerts:
        state = AlertState.RAISED if one.cleared is None else AlertState.CLEARED
        assert one.state is state and one.id == identity(ALERTED[0], CAUSE, one.onset)


@given(score_lists(), st.data())
@settings(max_examples=100)
def test_whenever_an_acknowledgement_comes_the_earliest_counts(found, data):
    alerts = run(found)
    words = [
        Acknowledgement(data.draw(st.integers(0, 99)), by, one.id, one.asset, f"seen by {by}")
        for one in alerts
        for by in ("ann", "bob")
    ]
    arrival = list(found)
    for word in words:
        arrival.insert(data.draw(st.integers(0, len(arrival))), word)
    for before, after in zip(alerts, run(arrival), strict=True):
        first = min((w.time, w.by, w.note) for w in words if w.alert == before.id)
        assert (after.acknowledged, after.acknowledged_by, after.note) == first
        state = AlertState.ACKNOWLEDGED if after.cleared is None else AlertState.CLEARED
        assert after.state is state


@given(st.integers(1, 3 * LENGTH))
@settings(max_examples=20)
def test_evidence_is_the_last_windows_before_the_alert_and_no_more(count):
    drawn = [
        SignalWindow(
            ALERTED[0],
            "plc",
            10 * n,
            10,
            ("oil", "current", "level"),
            (60.0 + n, 5.0, 1.0),
            (1.0, 1.0, 1.0),
            Version(1, (n,), 1),
        )
        for n in range(count)
    ]
    end = 10 * count
    bad = [score(ALERTED[0], time, 0.001, alarm=True) for time in (end - 25, end - 5)]
    later = replace(drawn[0], start=end, version=Version(1, (count,), 1))
    (alert,) = run([*drawn, *bad, later])
    evidence = alert.evidence
    shown = min(count, LENGTH)
    assert evidence.tags == ("oil", "current") and evidence.shares == (0.75, 0.25)
    assert evidence.times == tuple(10 * n for n in range(count - shown, count))
    assert evidence.signals[:shown] == tuple(60.0 + n for n in range(count - shown, count))
    assert evidence.signals[shown:] == (5.0,) * shown
    assert evidence.values[-1] == 0.001
    assert evidence.words[0].startswith("oil: 75 % of the deviation")
