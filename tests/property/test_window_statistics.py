"""WindowStatistics against a plain batch oracle; `test_operators` has what all operators keep."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.testing import oracle
from penstock.testing.batches import Batches, Record
from penstock.testing.strategies import STREAMS, record_lists
from streams.operators.window_statistics import WindowStatistics
from streams.operators.windows.parameters import Size, WindowParameters

SIZES = (Size(7, 20), Size(10, 0), Size(30, 45))
HOPS = (Size(6, 9, every=3), Size(10, 0), Size(30, 20, every=6))
MIXED = (Size(7, 20), Size(12, 5, every=2, out_of_order=0), Size(30, 9, out_of_order=11))
PARAMETERS = WindowParameters(out_of_order=5, hold=12, clock_ahead=40, sizes=SIZES)
ALL = [dataclasses.replace(PARAMETERS, sizes=sizes) for sizes in (SIZES, HOPS, MIXED)]
EXACT = ("count", "bad", "late", "minimum", "maximum", "first", "last", "coverage")
CLOSE = ("mean", "time_weighted_mean", "standard_deviation")


def finite(value):
    return isinstance(value, str) or math.isfinite(value)


class Publications:
    """The last result of each window, and whether revisions count without a gap."""

    def __init__(self):
        self.last = {}

    def take(self, output):
        for result in output.results:
            found = result.record
            key = ((found.asset, found.source), found.window_size, found.window_start)
            before = self.last[key].revision if key in self.last else 0
            assert found.revision == before + 1
            assert result.key == found.asset
            self.last[key] = found


def check(publications, records, upto=None, parameters=PARAMETERS):
    """Hold the last results of all closed windows (of all that end by `upto`) to the oracle."""
    lost = bad = 0
    for stream in STREAMS:
        mine = [
            (r.ingest, [(tag, at, v, good and finite(v)) for tag, at, v, good in r.samples])
            for r in records
            if (r.asset, r.source) == stream
        ]
        nowhere = None
        for group in parameters.by_lateness():
            sizes = [(one.size, one.reopen_for, one.step) for one in group.sizes]
            judged = oracle.judge(mine, group.out_of_order, parameters.clock_ahead, sizes)
            nowhere = judged.places if nowhere is None else nowhere & judged.places
            for one in group.sizes:
                check_size(publications, stream, one, judged, upto, parameters.hold)
        lost += len(nowhere)
        bad += sum(
            not sample[3] and (number, place) not in nowhere
            for number, (_, samples) in enumerate(mine)
            for place, sample in enumerate(samples)
        )
    return lost, bad


def check_size(publications, stream, one, judged, upto, hold):
    level, size = judged.watermark if upto is None else upto, one.size
    late = judged.late[size]
    expected = oracle.window_statistics(judged.on_time, size, hold, late, one.step)
    closed = {s: tags for s, tags in expected.items() if level >= s + size}
    found = {
        start: record
        for (name, its_size, start), record in publications.last.items()
        if (name, its_size) == (stream, size)
        and record.tags
        and judged.watermark is not None
        and level >= start + size
    }
    assert sorted(found) == sorted(closed)
    for start, record in found.items():
        equal(record, closed[start])


def equal(record, tags):
    assert sorted(record.tags) == sorted(tags)
    for place, tag in enumerate(record.tags):
        for name in (*EXACT, *CLOSE):
            got, wanted = getattr(record, name)[place], getattr(tags[tag], name)
            rough = name in CLOSE and not math.isnan(wanted)
            assert got == (
                pytest.approx(wanted, rel=1e-9, abs=1e-6)
                if rough
                else pytest.approx(wanted, rel=0, abs=0, nan_ok=True)
            ), (record.window_start, tag, name)


def run(operator, records, cuts, publications):
    """Update with records cut at these places; gives how many samples no result holds."""
    batches, lost = Batches(), 0
    borders = [0, *sorted(cuts), len(records)]
    for low, high in pairwise(borders):
        output = operator.update(batches.of(*records[low:high]))
        lost += sum(int(late.mask.sum()) for late in output.late)
        publications.take(output)
        assert operator.books.closed
    return lost


@pytest.mark.parametrize("parameters", ALL, ids=["tumbling", "hopping", "mixed"])
@given(records=record_lists(), data=st.data(), hold=st.sampled_from([0, 2, 12]))
@settings(max_examples=40)
def test_equals_the_oracle_wherever_records_are_cut(parameters, records, data, hold):
    cuts = data.draw(st.sets(st.integers(0, len(records))))
    parameters = dataclasses.replace(parameters, hold=hold)
    operator, publications = WindowStatistics(parameters), Publications()
    lost = run(operator, records, cuts, publications)
    assert (lost, operator.books.bad) == check(publications, records, parameters=parameters)
    assert operator.books.late == lost
    assert operator.books.samples_in == sum(len(record.samples) for record in records)


@pytest.mark.parametrize("parameters", ALL, ids=["tumbling", "hopping", "mixed"])
@given(records=record_lists(), data=st.data())
@settings(max_examples=20)
def test_idle_streams_show_all_that_is_known_and_are_revised_later(parameters, records, data):
    operator, publications, wall = WindowStatistics(parameters), Publications(), 10**17
    for record in records:
        run(operator, [record], (), publications)
        wall += data.draw(st.sampled_from([0, 5, 30]))
        before = dict(operator.watermarks())
        publications.take(operator.advance(wall))
        assert operator.watermarks() == before
    check(publications, records, parameters=parameters)
    for _ in range(2):
        wall += PARAMETERS.hold
        publications.take(operator.advance(wall))
    check(publications, records, upto=10**16, parameters=parameters)
    assert not operator.advance(wall + 1000).results


@pytest.mark.parametrize("offset", [101_325.0, 1e9])
def test_the_variance_of_small_noise_on_a_large_value_keeps_its_digits(offset):
    noise = np.random.default_rng(3).normal(0, 0.01, 5000)
    samples = [("pressure", 10 * k, offset + v) for k, v in enumerate(noise.tolist())]
    size = 10 * len(samples)
    operator = WindowStatistics(WindowParameters(0, size, size, (Size(size, 0),)))
    batches = Batches()
    operator.update(batches.of(Record("a", "b", [("pressure", 0, 0.5)])))
    for low in range(0, len(samples), 100):
        operator.update(batches.of(Record("a", "b", samples[max(low, 1) : low + 100])))
    (result,) = operator.update(batches.of(Record("a", "b", [("pressure", size, 0.0)]))).results
    values = [0.5, *(v for _, _, v in samples[1:])]
    assert result.record.standard_deviation[0] == pytest.approx(np.std(values), rel=1e-9)
