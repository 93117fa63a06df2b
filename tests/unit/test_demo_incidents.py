"""What was killed is back when all that it stopped carries samples; then the run is checked."""

import threading
from collections.abc import Sequence

from penstock.demo.figures import WINDOWS, Row
from penstock.demo.incidents import NOTICE_SECONDS, SETTLED_SECONDS, Incidents, Verdict
from penstock.demo.scrape import Scrape
from penstock.runtime.process import Component

PRESS = Component("connector", "press_plc")
PACKING = Component("connector", "packing_cell")
LATER = NOTICE_SECONDS + 1


class Watched:
    """Incidents with a clock that is set by hand, and a check that tells when it was called."""

    def __init__(self, found: Verdict | None) -> None:
        self.now = 0.0
        self.checked = threading.Event()
        self._found = found
        self.incidents = Incidents(self._check, lambda: self.now)

    def _check(self) -> Verdict:
        self.checked.set()
        if self._found is None:
            raise OSError("no lake")
        return self._found

    def after(self, seconds: float, rows: Sequence[Row]) -> None:
        self.now += seconds
        self.incidents.watch(rows)

    def await_check(self) -> None:
        assert self.checked.wait(10)
        for thread in threading.enumerate():
            if thread.name == "check":
                thread.join(10)


def row(component: Component, rate: float, *, ready: bool = True) -> Row:
    return Row(component, ready, False, "", rate, 0.0, 0.0, Scrape())


def test_a_killed_broker_is_back_when_connectors_and_the_windows_worker_carry_samples() -> None:
    watched = Watched(Verdict(0, 0, 0))
    watched.incidents.add("broker")
    watched.after(LATER, [row(PRESS, 10), row(PACKING, 0), row(WINDOWS, 10)])
    assert not watched.incidents.over
    watched.after(1, [row(PRESS, 10), row(PACKING, 5), row(WINDOWS, 10, ready=False)])
    assert not watched.incidents.over
    watched.after(1, [row(PRESS, 10), row(PACKING, 5), row(WINDOWS, 10)])
    assert watched.incidents.over
    assert [one.recovered for one in watched.incidents.all] == [LATER + 2]


def test_a_killed_mqtt_broker_is_back_when_the_source_behind_it_carries_samples() -> None:
    watched = Watched(Verdict(0, 0, 0))
    watched.incidents.add("mqtt_broker")
    watched.after(LATER, [row(PRESS, 10), row(PACKING, 0)])
    assert not watched.incidents.over
    watched.after(1, [row(PRESS, 0), row(PACKING, 1)])
    assert watched.incidents.over


def test_a_process_killed_just_now_is_not_taken_for_back() -> None:
    watched = Watched(Verdict(0, 0, 0))
    watched.incidents.add("worker")
    watched.after(NOTICE_SECONDS / 2, [row(WINDOWS, 10)])
    assert not watched.incidents.over


def test_some_time_after_a_recovery_the_run_is_held_against_the_truth() -> None:
    watched = Watched(Verdict(0, 1, 2))
    watched.incidents.add("worker")
    watched.after(LATER, [row(WINDOWS, 10)])
    watched.after(SETTLED_SECONDS - 1, [])
    assert watched.incidents.verdict == Verdict()
    watched.after(1, [])
    watched.await_check()
    assert watched.incidents.verdict == Verdict(0, 1, 2)


def test_a_kill_before_the_check_puts_it_off_until_the_next_recovery() -> None:
    watched = Watched(Verdict(0, 0, 0))
    watched.incidents.add("worker")
    watched.after(LATER, [row(WINDOWS, 10)])
    watched.incidents.add("worker")
    watched.after(SETTLED_SECONDS, [row(WINDOWS, 0)])
    assert not watched.checked.is_set()
    watched.after(1, [row(WINDOWS, 10)])
    watched.after(SETTLED_SECONDS, [])
    watched.await_check()
    assert watched.incidents.verdict == Verdict(0, 0, 0)


def test_a_check_that_fails_leaves_the_verdict_open() -> None:
    watched = Watched(None)
    watched.incidents.add("worker")
    watched.after(LATER, [row(WINDOWS, 10)])
    watched.after(SETTLED_SECONDS, [])
    watched.await_check()
    assert watched.incidents.verdict == Verdict()
