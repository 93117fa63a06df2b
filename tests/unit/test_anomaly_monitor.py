"""What becomes of a row: warm-up, scores, gate, limit, tags that come and go."""

import numpy as np
import pytest

from penstock import components
from penstock.anomaly.monitor import Learning, Monitor, State
from penstock.anomaly.settings import MonitorSettings
from penstock.anomaly.state import Keeper
from penstock.settings.model import Model

SETTINGS = MonitorSettings(warm_up=120, memory=400)
DETECTORS = components.names("detectors")
TAGS = ("load", "power", "pressure", "set_point")


def monitor(name="pca", settings=SETTINGS, tags=TAGS):
    kind = components.load("detectors", name)
    return Monitor(settings, kind(kind.Settings(), settings.memory), tags)


def machine(rows, seed=1, width=4):
    """Rows of a machine: two signals that hang together, one of its own, one that never moves."""
    rng = np.random.default_rng(seed)
    load = rng.standard_normal(rows)
    noise = 0.1 * rng.standard_normal((rows, 3))
    found = np.column_stack([load, 10 + 3 * load, np.full(rows, 5.0), np.full(rows, 7.0)])
    found[:, :3] += noise
    return found[:, :width]


def judge(watched, rows, start=0, running=True):
    return [watched.row(start + n, row, running=running) for n, row in enumerate(rows)]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_scores_before_it_learns_and_names_the_tag(name):
    watched, rows = monitor(name), machine(400)
    found = judge(watched, rows)
    assert all(one.state is State.WARMING_UP and one.score != one.score for one in found[:120])
    assert all(one.state is State.OK and 0 <= one.p_value <= 1 for one in found[120:])
    assert np.mean([one.learning is Learning.LEARNED for one in found[120:]]) > 0.95
    fault = machine(60, seed=2)
    fault[:, 2] += 2.0
    last = judge(watched, fault, 400)[-1]
    assert last.columns.tolist() == [0, 1, 2]
    assert last.found.contributions.argmax() == 2
    assert last.found.contributions.sum() == pytest.approx(1)
    assert last.p_value < 0.2


def test_a_fault_raises_an_alarm_is_not_learned_and_ends():
    watched = monitor()
    judge(watched, machine(300))
    learned = watched.learned
    fault = machine(500, seed=2)
    fault[:, 2] += 1.0
    found = judge(watched, fault, 300)
    assert {one.state for one in found[20:]} == {State.ALARM}
    assert {one.learning for one in found[20:]} == {Learning.GATED}
    assert watched.learned == learned and found[-1].alarm_since == found[20].alarm_since
    after = judge(watched, machine(100, seed=3), 800)
    assert after[-1].alarm_since is None and after[-1].learning is Learning.LEARNED


def test_of_a_tag_of_which_only_a_rise_counts_a_fall_is_no_deviation_and_not_learned():
    settings = SETTINGS.model_copy(update={"only_high": ("press*",)})
    watched, both = monitor(settings=settings), monitor()
    for one in (watched, both):
        judge(one, machine(400))
    low, high = machine(60, seed=2), machine(60, seed=2)
    low[:, 2] -= 1.0
    high[:, 2] += 1.0
    learned = watched.learned
    found = judge(watched, low, 400)[20:]
    assert {one.state for one in judge(both, low, 400)[20:]} == {State.ALARM}
    assert {(one.state, one.learning) for one in found} == {(State.OK, Learning.GATED)}
    assert watched.learned == learned
    after = judge(watched, machine(60, seed=3), 460)[-1]
    assert (after.state, after.learning) == (State.OK, Learning.LEARNED)
    last = judge(watched, high, 520)[-1]
    assert last.state is State.ALARM and last.found.contributions.argmax() == 2


def test_what_is_usual_is_learned_as_well_where_only_a_rise_counts():
    settings = SETTINGS.model_copy(update={"only_high": ("*",)})
    shares = []
    for watched in (monitor(), monitor(settings=settings)):
        judge(watched, machine(400))
        found = judge(watched, machine(500, seed=2), 400)
        shares.append(np.mean([one.learning is Learning.LEARNED for one in found]))
    assert min(shares) > 0.9


def test_a_name_with_its_asset_is_refused():
    with pytest.raises(ValueError, match="without the asset"):
        MonitorSettings(only_high=("*:*vibration*",))


def test_scores_are_causal():
    rows, other = machine(300), machine(300)
    other[200:] += 100.0
    first = [one.score for one in judge(monitor(), rows)[:200]]
    np.testing.assert_equal(first, [one.score for one in judge(monitor(), other)[:200]])


def test_small_steps_are_learned_only_so_far_until_an_operator_releases():
    watched = monitor(settings=SETTINGS.model_copy(update={"memory": 100, "learn_from": 1e-3}))
    rows = machine(6000)
    rows[120:, 2] += np.linspace(0, 3, 5880)
    found = judge(watched, rows)
    assert Learning.FULL in {one.learning for one in found}
    first, spread, now = watched.reference
    assert (abs(now - first) <= 3 * spread).all()
    assert found[-1].state is State.ALARM
    watched.release()
    again = judge(watched, rows[-300:], 6000)
    assert again[0].state is State.WARMING_UP and again[-1].state is State.OK


def test_a_machine_that_stands_is_not_judged():
    watched = monitor()
    judge(watched, machine(200))
    stands = judge(watched, np.zeros((50, 4)), 200, running=False)
    assert {(one.state, one.learning) for one in stands} == {(State.FROZEN, Learning.OFF)}
    assert {one.state for one in judge(watched, machine(100, seed=4), 250)} == {State.OK}


def test_a_tag_without_values_adds_nothing_and_is_named():
    watched = monitor()
    judge(watched, machine(200))
    rows = machine(50, seed=5)
    rows[:, 2] = np.nan
    found = judge(watched, rows, 200)
    assert {one.state for one in found} == {State.INCOMPLETE}
    assert {one.missing for one in found} == {(2,)}
    assert {one.found.contributions[2] for one in found} == {0.0}
    assert {one.learning for one in found} == {Learning.GATED}
    rows[:, :3] = np.nan
    assert np.isnan([one.score for one in judge(watched, rows, 250)]).all()
    assert judge(watched, machine(20, seed=6), 300)[-1].state is State.OK


def test_a_sensor_that_froze_is_as_one_without_values():
    watched = monitor()
    judge(watched, machine(200))
    rows = machine(80, seed=5)
    rows[:, 0] = 0.1
    found = judge(watched, rows, 200)
    assert found[20].state is not State.INCOMPLETE
    assert found[-1].state is State.INCOMPLETE and found[-1].missing == (0,)


def test_a_tag_that_appears_is_named_until_it_is_known():
    watched = monitor()
    judge(watched, machine(200, width=3))
    found = judge(
        watched, np.hstack([machine(300, seed=2, width=3), machine(300, seed=3)[:, :1]]), 200
    )
    assert found[0].missing == (3,) and found[0].state is State.INCOMPLETE
    assert found[0].p_value == found[0].p_value
    assert found[-1].missing == () and found[-1].columns.tolist() == [0, 1, 2, 3]
    scored = [one for one in found if one.found is not None]
    assert all(len(one.columns) == len(one.found.contributions) for one in scored)


def test_a_tag_that_did_not_change_is_named_from_its_first_change_until_it_is_known():
    watched = monitor()
    judge(watched, machine(200))
    rows = machine(300, seed=2)
    rows[100:, 3] += np.random.default_rng(3).standard_normal(200)
    found = judge(watched, rows, 200)
    assert {one.missing for one in found[:100]} == {()}
    assert {(one.missing, one.state) for one in found[100:200]} == {((3,), State.INCOMPLETE)}
    assert found[-1].missing == () and found[-1].columns.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rows", [np.full((500, 4), np.nan), np.full((500, 4), 3.0)])
def test_without_a_signal_that_moves_it_goes_on_warming_up(rows):
    watched = monitor()
    assert {one.state for one in judge(watched, rows)} == {State.WARMING_UP}
    assert len(watched.warm_up) < 120


@pytest.mark.parametrize("name", DETECTORS)
def test_saved_and_loaded_anywhere_it_goes_on_as_before(name):
    rows = machine(420)
    rows[300:330] += 9.0
    straight, kept = monitor(name), {}
    keeper = Keeper(straight)
    scores, saved = [], {}
    for number, row in enumerate(rows):
        if number in {0, 60, 119, 120, 170, 310, 400}:
            kept |= keeper.changes()
            kept = {key: one for key, one in kept.items() if one is not None}
            saved[number] = dict(kept)
        scores.append(straight.row(number, row))
    for number, state in saved.items():
        other = monitor(name)
        Keeper(other).load(state)
        again = judge(other, rows[number:], number)
        assert [one.score for one in again][-5:] == [one.score for one in scores[-5:]]
        assert [one.p_value for one in again][-5:] == [one.p_value for one in scores[-5:]]


def test_settings_that_would_learn_alarms_are_refused():
    with pytest.raises(ValueError, match="learn_from is below alarm_below"):
        MonitorSettings(learn_from=1e-6)
    with pytest.raises(ValueError, match="alarm_rows 9 of 5"):
        MonitorSettings(alarm_rows=9)
    assert issubclass(MonitorSettings, Model)
