"""WindowStatistics against a plain batch oracle, however records are cut, shuffled or crashed."""

import dataclasses
import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.testing import oracle
from penstock.testing.batches import Batches, Record
from streams.operators.window_statistics import WindowStatistics
from streams.operators.windows.parameters import WindowParameters

SIZES = ((7, 20), (10, 0), (30, 45))
PARAMETERS = WindowParameters(out_of_order=5, hold=12, clock_ahead=40, sizes=SIZES)
EXACT = ("count", "bad", "late", "minimum", "maximum", "first", "last", "coverage")
CLOSE = ("mean", "time_weighted_mean", "standard_deviation")
STREAMS = [("acme/press", "plc"), ("acme/press", "plc/2"), ("acme/press/plc", "2")]

values = st.one_of(
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.sampled_from([0.0, 101325.0, 101325.01, math.nan]),
    st.sampled_from(["idle", "running"]),
)


@st.composite
def record_lists(draw, jitter=30):
    """Records of three streams whose times creep forward with jumps, jitter and wrong clocks."""
    now, records = draw(st.sampled_from([-300, 0, 1_700_000_000_000_000])), []
    for _ in range(draw(st.integers(1, 14))):
        now += draw(st.sampled_from([0, 1, 3, 9, 9, 15, 70]))
        samples = draw(
            st.lists(
                st.tuples(
                    st.sampled_from("abc"),
                    st.integers(now - jitter, now + 6),
                    values,
                    st.sampled_from([True, True, True, False]),
                ),
                max_size=8,
            )
        )
        asset, source = draw(st.sampled_from(STREAMS))
        ingest = now + draw(st.sampled_from([0, 0, 0, -50]))
        records.append(Record(asset, source, samples, ingest))
    return records


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


@given(record_lists())
@settings(max_examples=30, deadline=None)
def test_a_crash_after_any_record_leaves_no_trace(records):
    rows, publications, lost = {}, Publications(), 0
    for record in records:
        operator = WindowStatistics(PARAMETERS)
        operator.restore(rows)
        lost += run(operator, [record], (), publications)
        rows = merged(rows, operator.changes())
    operator.restore(rows)
    assert (lost, operator.books.bad) == check(publications, records)
    straight = WindowStatistics(PARAMETERS)
    run(straight, records, range(len(records)), Publications())
    assert merged({}, straight.changes()) == rows
    assert straight.watermarks() == operator.watermarks()


@given(record_lists(), st.data())
@settings(max_examples=30, deadline=None)
def test_changes_lose_nothing_between_snapshots(records, data):
    snapshots = data.draw(st.sets(st.integers(0, len(records))))
    operator, rows, batches = WindowStatistics(PARAMETERS), {}, Batches()
    for place, record in enumerate(records):
        operator.update(batches.of(record))
        if place in snapshots:
            rows = merged(rows, operator.changes())
    rows = merged(rows, operator.changes())
    assert operator.changes() == {}
    other = WindowStatistics(PARAMETERS)
    other.restore(rows)
    end = [Record(*stream, [("a", 10**16, 1.0)]) for stream in STREAMS]
    assert same(operator.update(batches.of(*end)), other.update(Batches().of(*end)))


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


@given(record_lists(jitter=0), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_shuffle_within_out_of_order_changes_nothing(records, shuffler: random.Random):
    samples = [
        (tag, 3 * place + 1_000_000, value, good and finite(value))
        for place, (tag, _, value, good) in enumerate(s for r in records for s in r.samples)
    ]
    shuffled = sorted(samples, key=lambda sample: sample[1] + shuffler.uniform(0, 4.9))
    end = ("a", 2_000_000, 0.0, True)
    both = []
    for arrival in (samples, shuffled):
        operator, batches = WindowStatistics(PARAMETERS), Batches()
        output = [operator.update(batches.of(Record("x", "y", [s]))) for s in (*arrival, end)]
        assert operator.books.late == 0
        both.append({_key(r.record): r.record for o in output for r in o.results})
    assert sorted(both[0]) == sorted(both[1])
    for window, record in both[0].items():
        equal(both[1][window], _by_tag(record))


def _by_tag(record):
    names = (*EXACT, *CLOSE)
    return {
        tag: oracle.Statistics(**{name: getattr(record, name)[place] for name in names})
        for place, tag in enumerate(record.tags)
    }


def _key(record):
    return record.window_size, record.window_start


def _rows(record):
    columns = [getattr(record, name) for name in (*EXACT, *CLOSE)]
    return {tag: [repr(c[k]) for c in columns] for k, tag in enumerate(record.tags)}


def same(one, other):
    def everything(output):
        return sorted(
            (
                r.record.asset,
                r.record.source,
                *_key(r.record),
                r.record.revision,
                str(_rows(r.record)),
            )
            for r in output.results
        )

    return everything(one) == everything(other)


def merged(rows, changes):
    together = {**rows, **changes}
    return {key: row for key, row in together.items() if row is not None}


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
