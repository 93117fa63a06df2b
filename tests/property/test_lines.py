"""Lines against a plain computation over all samples and all partials at once."""

import math
import random
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.lines import Counter, LineMembers
from penstock.operator import RecordBatch
from penstock.testing import oracle
from penstock.testing.batches import Batches, Record, SampleFeed
from penstock.testing.partials import PartialFeed
from penstock.testing.strategies import STREAMS, partial_lists
from schemas import Version
from streams.operators.line_partials import LinePartials
from streams.operators.line_statistics import LineStatistics
from streams.operators.lines.parameters import LineParameters
from streams.operators.windows.parameters import Size, WindowParameters

SIZES = (Size(10, 10**15), Size(30, 10**15, every=6))
LINE = LineMembers(
    line="acme/bremen/line",
    members=tuple(sorted(STREAMS)),
    output=frozenset(STREAMS[:2]),
    counters={(*stream, tag): Counter("good", 99.0) for stream in STREAMS for tag in "ab"},
)
PARAMETERS = LineParameters(WindowParameters(5, 12, 40, SIZES), [LINE], deadline=50)


@st.composite
def readings(draw):
    """Records of counters that go up, in order of time but for some jitter."""
    records, now, count = [], 1000, defaultdict(float)
    for _ in range(draw(st.integers(1, 25))):
        now += draw(st.sampled_from([0, 1, 4, 9, 30]))
        stream, tag = draw(st.sampled_from(STREAMS)), draw(st.sampled_from("abc"))
        count[stream, tag] = (count[stream, tag] + draw(st.sampled_from([0, 1, 5, 30]))) % 100
        at = now - draw(st.integers(0, 8))
        records.append(Record(*stream, [(tag, at, count[stream, tag])], now))
    return records


def windows_of(time):
    for one in SIZES:
        first = (time - one.size) // one.step * one.step + one.step
        yield from ((one.size, start) for start in range(first, time + 1, one.step))


def expected(records):
    """Pieces by member and window, from the on-time readings in order of time."""
    pieces = defaultdict(float)
    for stream in STREAMS:
        mine = [
            (r.ingest, [(*sample, True) for sample in r.samples])
            for r in records
            if (r.asset, r.source) == stream
        ]
        judged = oracle.judge(mine, 5, 40, [(10, 10**12)])
        last = {}
        for tag, time, value, _ in sorted(judged.on_time, key=lambda sample: sample[1]):
            before = last.get(tag, value)
            last[tag] = value
            rolled = 100 - before + value
            more = value - before if value >= before else rolled if rolled <= 49.5 else value
            if tag in "ab":
                for window in windows_of(time):
                    pieces[stream, window] += more
    return pieces


def partials_of(records):
    """All partials of these readings, with versions as a host gives them."""
    operator, batches, found = LinePartials(PARAMETERS), Batches(), []
    for offset, record in enumerate([*records, *SampleFeed().closing(records)]):
        for number, result in enumerate(operator.update(batches.of(record)).results):
            version = Version(1, (offset + 1,), number + 1)
            found.append(replace(result.record, version=version))
    return found


@given(readings())
@settings(max_examples=60)
def test_partials_are_the_increases_of_on_time_readings(records):
    wanted = {key: count for key, count in expected(records).items() if count}
    found = {
        ((p.asset, p.source), (p.window_size, p.window_start)): p.good
        for p in partials_of(records)
        if p.good
    }
    assert found == wanted


@given(readings(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_line_is_the_sum_of_its_output_in_whatever_order_partials_come(records, shuffler):
    pieces, partials = expected(records), partials_of(records)
    arrival = [*partials, *shuffler.sample(partials, len(partials) // 2)]
    shuffler.shuffle(arrival)
    operator, found = LineStatistics(PARAMETERS), {}
    for batch in (arrival, PartialFeed([LINE]).closing(partials)):
        for result in operator.update(RecordBatch(tuple(batch), None)).results:
            found[result.record.window_size, result.record.window_start] = result.record
    assert {(p.window_size, p.window_start) for p in partials} == set(found)
    for window, record in found.items():
        at_output = [pieces[stream, window] for stream in LINE.output]
        assert not record.incomplete
        assert (record.good if not math.isnan(record.good) else 0.0) == sum(at_output)


@pytest.mark.parametrize("seed", range(3))
@given(partials=partial_lists([LINE], [10, 30]))
@settings(max_examples=20)
def test_of_each_member_the_greatest_version_counts(seed, partials):
    still = [replace(partial, watermark=-(10**14)) for partial in partials]
    arrival = random.Random(seed).sample(still, len(still))
    operator, found = LineStatistics(PARAMETERS), {}
    for batch in (arrival, PartialFeed([LINE]).closing(partials)):
        for result in operator.update(RecordBatch(tuple(batch), None)).results:
            found[result.record.window_size, result.record.window_start] = result.record
    best = {}
    for partial in sorted(still, key=lambda partial: partial.version):
        if partial.window_size:
            window = best.setdefault((partial.window_size, partial.window_start), {})
            window[partial.asset, partial.source] = partial
    assert set(found) == set(best)
    for window, members in best.items():
        counted = [p.scrap for m, p in members.items() if m in LINE.output]
        known = [count for count in counted if not math.isnan(count)]
        assert found[window].members_present == len(members)
        assert found[window].scrap == pytest.approx(sum(known) if known else math.nan, nan_ok=True)
