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
from streams.operators.windows.parameters import WindowParameters

SIZES = ((7, 20), (10, 0), (30, 45))
PARAMETERS = WindowParameters(out_of_order=5, hold=12, clock_ahead=40, sizes=SIZES)
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


def check(publications, records, upto=None, hold=PARAMETERS.hold):
    """Hold the last results of all closed windows (of all that end by `upto`) to the oracle."""
    lost = bad = 0
    for stream in STREAMS:
        mine = [
            (r.ingest, [(tag, at, v, good and finite(v)) for tag, at, v, good in r.samples])
            for r in records
            if (r.asset, r.source) == stream
        ]
        judged = oracle.judge(mine, PARAMETERS.out_of_order, PARAMETERS.clock_ahead, SIZES)
        lost, bad = lost + judged.lost, bad + judged.bad
        for size, _ in SIZES:
            level = judged.watermark if upto is None else upto
            expected = oracle.window_statistics(judged.on_time, size, hold, judged.late[size])
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
    return lost, bad


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


@given(record_lists(), st.data(), st.sampled_from([0, 2, 12]))
@settings(max_examples=80, deadline=None)
def test_equals_the_oracle_wherever_records_are_cut(records, data, hold):
    cuts = data.draw(st.sets(st.integers(0, len(records))))
    parameters = dataclasses.replace(PARAMETERS, hold=hold)
    operator, publications = WindowStatistics(parameters), Publications()
    lost = run(operator, records, cuts, publications)
    assert (lost, operator.books.bad) == check(publications, records, hold=hold)
    assert operator.books.late == lost
    assert operator.books.samples_in == sum(len(record.samples) for record in records)


@given(record_lists(), st.data())
@settings(max_examples=30, deadline=None)
def test_idle_streams_show_all_that_is_known_and_are_revised_later(records, data):
    operator, publications, wall = WindowStatistics(PARAMETERS), Publications(), 10**17
    for record in records:
        run(operator, [record], (), publications)
        wall += data.draw(st.sampled_from([0, 5, 30]))
        before = dict(operator.watermarks())
        publications.take(operator.advance(wall))
        assert operator.watermarks() == before
    check(publications, records)
    for _ in range(2):
        wall += PARAMETERS.hold
        publications.take(operator.advance(wall))
    check(publications, records, upto=10**16)
    assert not operator.advance(wall + 1000).results


@pytest.mark.parametrize("offset", [101_325.0, 1e9])
def test_the_variance_of_small_noise_on_a_large_value_keeps_its_digits(offset):
    noise = np.random.default_rng(3).normal(0, 0.01, 5000)
    samples = [("pressure", 10 * k, offset + v) for k, v in enumerate(noise.tolist())]
    size = 10 * len(samples)
    operator = WindowStatistics(WindowParameters(0, size, size, ((size, 0),)))
    batches = Batches()
    operator.update(batches.of(Record("a", "b", [("pressure", 0, 0.5)])))
    for low in range(0, len(samples), 100):
        operator.update(batches.of(Record("a", "b", samples[max(low, 1) : low + 100])))
    (result,) = operator.update(batches.of(Record("a", "b", [("pressure", size, 0.0)]))).results
    values = [0.5, *(v for _, _, v in samples[1:])]
    assert result.record.standard_deviation[0] == pytest.approx(np.std(values), rel=1e-9)
