"""Workers killed, frozen and moved while windows are counted: every window as an offline oracle."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from checker import longest_gap, recoveries
from window_rig import PER_EVENT, WindowRig

from penstock.kafka.registry import Registry
from penstock.kafka.topics import CATALOG, dead_letters, late
from penstock.state.overview import overview

pytestmark = pytest.mark.faults
MANY = 1_250
"""Seconds of all assets: a million samples."""
Record = Callable[[str, object], None]


@contextmanager
def load(rig: WindowRig, pause: float) -> Iterator[None]:
    """Second after second of all assets, for as long as the block runs."""
    stopping = threading.Event()

    def flow() -> None:
        while not stopping.wait(pause):
            rig.flow(1)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.usefixtures("only_full")
def test_a_worker_killed_at_random_points(
    rig: WindowRig, chance: random.Random, record_property: Record
) -> None:
    """Every second one at its work, the others at any moment from their start on: in a restore."""
    kills, early, took = 50, 0, 0.0
    at_work = [number % 2 == 0 for number in range(kills + 1)]
    worker, struck = rig.start(), []
    with load(rig, 0.1):  # up to 8,000 samples/s
        for number in range(kills):
            begun = time.monotonic()
            if at_work[number]:
                await_restored(rig)
                took = time.monotonic() - begun
                time.sleep(chance.uniform(0.0, 2.0))  # where in its work the worker is hit
            else:
                time.sleep(chance.uniform(0.0, 1.2 * took))  # where on its way there
            if at_work[number + 1]:  # else its successor is killed before it can bring results
                struck.append(time.time())
            worker.kill()
            worker.wait()
            early += not restored(rig)
            worker = rig.start()
        await_restored(rig)
    rig.flow(max(0, MANY - rig.seconds))
    rig.close_windows()
    found = rig.compare()
    back = recoveries(rig.appended(), struck)
    record_property("samples", rig.fed)
    record_property("faults", kills)
    record_property("before_restored", early)
    record_property("lost", found.lost)
    record_property("twice", found.twice)
    record_property("windows", found.windows)
    record_property("recovery_s", round(max(back), 1))
    assert not found.wrong, found.wrong[:3]
    assert max(back) < 30.0
    assert early, "no kill came before a worker had its state"


def restored(rig: WindowRig) -> bool:
    """Whether the newest worker has its state."""
    log = rig.folder / f"worker-{len(rig.workers) - 1}.log"
    return '"restored"' in log.read_text()


def await_restored(rig: WindowRig) -> None:
    rig.until(lambda: restored(rig))


@pytest.mark.usefixtures("only_full")
def test_workers_that_come_and_go(
    rig: WindowRig, chance: random.Random, record_property: Record
) -> None:
    """From 1 to 4 workers and back, again and again, under load."""
    rounds, most = 20, 4
    workers = [rig.start()]
    rig.await_log("restored")
    begin = time.time()
    with load(rig, 0.5):
        for _ in range(rounds):
            workers += [rig.start() for _ in range(most - len(workers))]
            time.sleep(chance.uniform(3.0, 8.0))  # how long a set of workers stays
            chance.shuffle(workers)
            while len(workers) > 1:
                workers.pop().send_signal(chance.choice([signal.SIGTERM, signal.SIGKILL]))
                time.sleep(chance.uniform(0.0, 3.0))
    end = time.time()
    rig.flow(max(0, MANY - rig.seconds))
    rig.close_windows()
    found = rig.compare()
    fed = [number for number, offset in rig.ends().items() if offset]
    gap = longest_gap(rig.appended(), fed, begin, end)
    record_property("samples", rig.fed)
    record_property("faults", rounds)
    record_property("lost", found.lost)
    record_property("twice", found.twice)
    record_property("recovery_s", round(gap, 1))
    assert not found.wrong, found.wrong[:3]
    assert gap < 60.0


def test_everything_twice_and_out_of_order(
    rig: WindowRig, full: bool, chance: random.Random, record_property: Record
) -> None:
    """Duplicates and order within the lateness change nothing; what is too late is set apart."""
    seconds = MANY if full else 100
    events = list(rig.events(seconds))
    rig.start()
    shuffled = sorted([*events, *events], key=lambda one: one.start + chance.uniform(0, 3e6))
    rig.publish(shuffled)
    rig.close_windows()
    # After the close these are beyond the retention of their windows.
    behind = [rig.event_of(f"acme/hall/a{n}", rig.seconds + 1) for n in range(3)]
    rig.publish(behind)
    found = rig.compare()
    record_property("samples", rig.fed)
    record_property("lost", found.lost)
    record_property("twice", found.twice)
    assert not found.wrong, found.wrong[:3]
    books = overview(rig.arguments.plant(), rig.arguments.processor()).partitions
    assert sum(one.records["duplicate"] for one in books) == len(events)
    too_late = sum(len(one.values) for one in behind)
    assert sum(one.samples["late"] for one in books) == too_late
    assert all(
        one.samples["in"] == one.samples["aggregated"] + one.samples["bad"] + one.samples["late"]
        for one in books
    )
    assert len(rig.await_messages(late(rig.reads).name, len(behind))) == len(behind)


def test_a_wrong_clock_moves_no_other_source(
    rig: WindowRig, full: bool, record_property: Record
) -> None:
    """One source an hour ahead, one that steps back: the windows of all others are as ever."""
    seconds, hour = (MANY if full else 60), 3_600_000_000
    rig.start()
    for _ in range(-(-seconds // 20)):
        rig.flow(20)
        for number in range(4):
            asset = f"acme/hall/a{number}"
            ahead = rig.event_of(asset, rig.seconds, source="ahead", shift=hour)
            back = rig.event_of(
                asset, rig.seconds, source="back", shift=-(rig.seconds // 20 % 2) * hour
            )
            rig.publish([ahead, back])
    rig.close_windows()
    found = rig.compare()
    record_property("samples", rig.fed)
    record_property("lost", found.lost)
    record_property("twice", found.twice)
    assert not found.wrong, found.wrong[:3]
    books = overview(rig.arguments.plant(), rig.arguments.processor()).partitions
    assert sum(one.samples["late"] for one in books) >= seconds // 20 * 4 * 100


def test_one_percent_of_poison(
    rig: WindowRig, full: bool, chance: random.Random, record_property: Record
) -> None:
    """It is in the dead letters, with headers; NaN counts as bad; all that is good is counted."""
    seconds, buried, bad = (MANY if full else 100), 0, 0
    with closing(Registry(rig.registry)) as registry:
        other = registry.register(CATALOG.name, str(CATALOG.record))
    rig.start()
    for event in rig.events(seconds):
        rig.send(event)
        if chance.random() < 0.01:
            rig.raw(event.asset, rig.poison(event, other, chance))
            buried += 1
        if chance.random() < 0.01:
            rig.send(replace(event, session="nan", values=np.full(PER_EVENT, np.nan)))
            bad += PER_EVENT
    rig.producer.flush()
    rig.close_windows()
    found = rig.compare()
    record_property("samples", rig.fed)
    record_property("faults", buried + bad // PER_EVENT)
    record_property("lost", found.lost)
    record_property("twice", found.twice)
    assert not found.wrong, found.wrong[:3]
    letters = rig.await_messages(dead_letters(rig.reads).name, buried)
    headers = [dict(message.headers() or ()) for message in letters]
    assert len({each["__connect.errors.offset"] + each["__connect.errors.partition"]
                for each in headers}) == buried  # fmt: skip
    assert {each["__connect.errors.topic"] for each in headers} == {rig.reads.encode()}
    books = overview(rig.arguments.plant(), rig.arguments.processor()).partitions
    assert sum(one.samples["bad"] for one in books) == bad
