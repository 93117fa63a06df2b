from connectors.modbus.plan import Planner, locate
from connectors.modbus.schedule import LONGEST_WAIT, Poll, Schedule
from penstock.connector import Meter
from penstock.settings.tags import Tag

TAG = Tag(asset="a", tag="t", address="1/0", type="int16")
BLOCK = Planner(60, 8).blocks([locate(TAG, "zero-based", 60)])[0]


def schedule(*periods: int, origin: int = 0) -> tuple[Schedule, list[Poll], Meter]:
    polls = [Poll(BLOCK, period, origin) for period in periods]
    meter = Meter()
    return Schedule(polls, meter), polls, meter


def test_periods_do_not_drift_however_late_each_poll_is_taken() -> None:
    plan, _, meter = schedule(100, origin=7)
    times = []
    for late in (0, 30, 99, 1, 50) * 20:
        now = plan.next_due() + late
        assert plan.take(now)
        times.append(plan.next_due())
    assert times == [7 + 100 * (n + 1) for n in range(100)]
    assert meter.missed == 0


def test_periods_that_pass_unread_are_counted_and_not_made_up_for() -> None:
    plan, (poll,), meter = schedule(100)
    assert plan.take(0) == [poll]
    assert plan.take(570) == [poll]
    assert plan.take(571) == []
    assert meter.missed == 4
    assert plan.next_due() == 600


def test_each_block_has_its_own_period() -> None:
    plan, (fast, slow), _ = schedule(100, 300)
    taken = [plan.take(now) for now in range(0, 700, 100)]
    assert [fast in due for due in taken] == [True] * 7
    assert [slow in due for due in taken] == [True, False, False] * 2 + [True]


def test_one_failed_block_at_a_time_is_asked_and_last() -> None:
    plan, polls, _ = schedule(100, 100, 100)
    plan.take(0)
    for poll in polls[:2]:
        plan.failed(poll, 0, 100)
    assert plan.take(100) == [polls[2], polls[0]]
    assert plan.take(150) == [polls[1]]


def test_a_block_that_fails_on_is_asked_less_often_and_on_its_periods() -> None:
    plan, (poll,), _ = schedule(100_000)
    now, waits = 0, []
    for _ in range(12):
        assert plan.take(now) == [poll]
        plan.failed(poll, now, 1_000_000)
        waits.append(plan.next_due() - now)
        now = plan.next_due()
    assert waits[:4] == [100_000, 2_000_000, 4_000_000, 8_000_000]
    assert waits[-1] == LONGEST_WAIT
    assert now % 100_000 == 0
    plan.take(now)
    plan.succeeded(poll)
    assert plan.next_due() == now + 100_000


def test_parts_of_a_block_keep_its_times() -> None:
    plan, (poll,), _ = schedule(100)
    plan.take(0)
    parts = plan.replace(poll, [BLOCK, BLOCK])
    assert plan.take(100) == parts
