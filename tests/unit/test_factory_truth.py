"""The ground truth: what is written is read, also after a kill."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from penstock.factory import TruthError, read_truth
from penstock.factory.layout import LINES
from penstock.factory.machine import Machine
from penstock.factory.schedule import Activity
from penstock.factory.truth import TruthWriter, last_cycle, truth_files

T0 = 1_795_000_000_000_000
CYCLE = 100_000
TAGS = [
    {"tag": "OrderID", "as": "text"},
    {"tag": "a", "as": "float32"},
    {"tag": "b", "as": "number", "scale": 0.1},
]


def writer(folder: Path, *, first: int = 0, started: int = 1, limit: int = 1 << 20) -> TruthWriter:
    machine = Machine(LINES[0].places[0], seed=1, speed=60.0)
    machine.advance(first)
    assets = [{"asset": "e/s/press01", "tags": TAGS}]
    return TruthWriter(
        folder, "plc", [machine], assets, t0=T0, first=first, started=started, limit=limit
    )


def test_samples_are_converted_as_a_right_reader_would(tmp_path: Path) -> None:
    truth = writer(tmp_path)
    truth.samples([(0, 1, ["O-1", 12.34, 123])])
    truth.samples([(0, 2, [0.1], [1]), (0, 3, [124], [2])])
    truth.close(4)
    read = read_truth(tmp_path)
    assert read.series["e/s/press01", "OrderID"].values.tolist() == ["O-1"]
    a = read.series["e/s/press01", "a"]
    assert a.times.tolist() == [T0 + CYCLE, T0 + 2 * CYCLE]
    assert a.values.tolist() == [float(np.float32(12.34)), float(np.float32(0.1))]
    assert read.series["e/s/press01", "b"].values.tolist() == [123 * 0.1, 124 * 0.1]
    assert read.samples == 5
    assert not read.uncertain


def test_a_sample_that_goes_out_twice_counts_once(tmp_path: Path) -> None:
    truth = writer(tmp_path)
    truth.samples([(0, 1, ["O-1"], [0])])
    truth.samples([(0, 1, ["O-1"], [0])])
    truth.close(2)
    assert read_truth(tmp_path).samples == 1


def test_a_kill_leaves_the_last_hand_over_uncertain(tmp_path: Path) -> None:
    truth = writer(tmp_path)
    truth.samples([(0, 1, [1.0], [1])])
    truth.samples([(0, 2, [1.0], [1]), (0, 3, [1.0], [1])])
    uncertain = read_truth(tmp_path).uncertain
    assert uncertain == {("e/s/press01", T0 + 2 * CYCLE), ("e/s/press01", T0 + 3 * CYCLE)}
    truth.reached(4)
    assert not read_truth(tmp_path).uncertain


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    truth = writer(tmp_path)
    truth.samples([(0, 1, [1.0], [1])])
    truth.reached(7)
    with truth_files(tmp_path)[0].open("ab") as file:
        file.write(b'["k",12')
    assert read_truth(tmp_path).samples == 1
    assert last_cycle(tmp_path, "plc") == 7


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    writer(tmp_path).close(1)
    path = truth_files(tmp_path)[0]
    path.write_bytes(path.read_bytes() + b'["s",[[9,1,[1.0],[1]]]]\n')
    with pytest.raises(TruthError, match=r"plc-1\.jsonl:4: .*IndexError"):
        read_truth(tmp_path)


def test_missed_cycles_are_counted(tmp_path: Path) -> None:
    truth = writer(tmp_path)
    truth.samples([(0, 1, [1.0], [1]), (0, 50, [1.0], [2])])  # a value that last changed long ago
    for cycle in (51, 54):
        truth.samples([(0, cycle, [1.0], [1])])
    truth.close(60)
    assert read_truth(tmp_path).missed == {"e/s/press01": 2}


def test_a_kill_and_a_restart_leave_no_gap_in_activities_and_counts(tmp_path: Path) -> None:
    before = writer(tmp_path)
    for cycle in range(0, 500, 5):
        before.reached(cycle)
    after = writer(tmp_path, first=last_cycle(tmp_path, "plc") or 0, started=2)
    after.close(1000)
    truth = read_truth(tmp_path)
    assert truth.activities[0].start == T0
    assert truth.activities[-1].end == T0 + 1000 * CYCLE
    assert all(one.end == two.start for one, two in itertools.pairwise(truth.activities))
    assert sum(truth.seconds("e/s/press01").values()) == pytest.approx(100.0)
    good, scrap = truth.counts["e/s/press01"]
    ended = [(order.good, order.scrap) for order in truth.orders]
    assert all(order.good + order.scrap == order.quantity for order in truth.orders)
    assert 0 <= good - sum(one for one, _ in ended) < 400
    assert 0 <= scrap - sum(one for _, one in ended) < 40
    assert Activity.FAILURE in {span.activity for span in truth.activities}


def test_since_leaves_out_earlier_runs(tmp_path: Path) -> None:
    for started in (1, 2):
        truth = writer(tmp_path, started=started)
        truth.samples([(0, started, [1.0], [1])])
        truth.close(5)
    assert read_truth(tmp_path).samples == 2
    assert read_truth(tmp_path, since=2).samples == 1


def test_the_disk_does_not_fill(tmp_path: Path) -> None:
    truth = writer(tmp_path, limit=300)
    for cycle in range(100):
        truth.samples([(0, cycle, [1.0], [1])])
        truth.reached(cycle)
    truth.close(100)
    assert len(truth_files(tmp_path)) == 8
    newest = read_truth(tmp_path).series["e/s/press01", "a"].times
    assert newest[-1] == T0 + 99 * CYCLE
    assert (np.diff(newest) == CYCLE).all()


def test_nothing_written_is_nothing_read(tmp_path: Path) -> None:
    truth = read_truth(tmp_path)
    assert truth.samples == 0
    assert last_cycle(tmp_path, "plc") is None


def test_what_ends_while_a_plc_only_reads_its_machines_is_told_too(tmp_path: Path) -> None:
    machine = Machine(LINES[0].places[0], seed=1, speed=60.0)
    assets = [{"asset": "e/s/press01", "tags": TAGS}]
    truth = TruthWriter(tmp_path, "plc", [machine], assets, t0=T0, first=0, started=1)
    machine.read(600)  # as it fills its address space, before it serves
    truth.close(1000)
    spans = read_truth(tmp_path).activities
    assert (spans[0].start, spans[-1].end) == (T0, T0 + 1000 * CYCLE)
    assert all(one.end == other.start for one, other in itertools.pairwise(spans))
    assert len(spans) > 3
