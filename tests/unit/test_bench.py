"""The benchmark's input is what it says, and its check refuses what is wrong."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from bench.cluster import Row
from bench.messages import Encoder
from bench.results import Result, WrongAnswerError, check
from bench.workload import BEGIN, OUT_OF_ORDER, WINDOW, Truth, Workload
from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe

LOADS = [
    Workload(20_000, assets=4, tags=5, per_tag=3),
    Workload(20_000, assets=4, tags=5, per_tag=3, varying=True),
    Workload(5_000, assets=4, tags=5, per_tag=1, single=True),
]


@pytest.mark.parametrize("load", LOADS)
def test_truth_is_what_the_messages_hold(load: Workload) -> None:
    truth, encoder = Truth(load), Encoder(load, 3)
    found: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    newest: defaultdict[str, int] = defaultdict(int)
    messages = 0
    for number, values in load.values():
        truth.add(number, values)
        for key, message in encoder.round(number, values):
            messages += 1
            event = decode(unframe(message)[1])
            assert event.asset == key.decode()
            tags = np.repeat(event.tags, event.counts)
            times = event.start + event.offsets.astype(np.int64)
            newest[event.asset] = max(newest[event.asset], int(times.max()))
            for tag, time, value in zip(tags, times.tolist(), event.values.tolist(), strict=True):
                found[event.asset, str(tag), (time - BEGIN) // WINDOW].append(value)
    assert messages == load.messages
    assert sum(map(len, found.values())) == load.total == truth.moments.count.sum()
    for (asset, tag, window), own in found.items():
        at = load.asset_names.index(asset), load.tag_names.index(tag), window
        assert truth.moments.count[at] == len(own)
        assert truth.moments.sum[at] == pytest.approx(sum(own), rel=1e-12)
        assert truth.moments.squares[at] == pytest.approx(sum(v * v for v in own), rel=1e-12)
        assert (truth.moments.minimum[at], truth.moments.maximum[at]) == (min(own), max(own))
        passed = BEGIN + (window + 1) * WINDOW <= newest[asset] - OUT_OF_ORDER
        assert truth.closed[at[0], window] == passed


def test_check_tells_the_rate_and_refuses_what_is_wrong_or_missing() -> None:
    load = LOADS[0]
    truth = Truth(load)
    for number, values in load.values():
        truth.add(number, values)
    moments = truth.moments
    places = list(zip(*np.nonzero(truth.closed), strict=True))

    def read(row: Row) -> list[Result]:
        asset, window = places[row.offset]
        columns = (moments.count, moments.sum, moments.squares, moments.minimum, moments.maximum)
        cells: list[Any] = [column[asset, :, window].copy() for column in columns]
        cells[1][2] += row.value == b"wrong"
        start = BEGIN + int(window) * WINDOW
        return [Result(load.asset_names[asset], start, load.tag_names, *cells)]

    rows = [Row(1000 * i, b"", b"", 0, i) for i in range(len(places))]
    progress = check(rows, read, truth)
    assert progress.samples[-1] == moments.count.sum(axis=1)[truth.closed].sum()
    seconds = len(rows) - 1
    assert progress.rate(0) == pytest.approx(
        (progress.samples[-1] - progress.samples[0]) / seconds, rel=1e-9
    )
    with pytest.raises(WrongAnswerError, match="sum of"):
        check([*rows[:-1], rows[-1]._replace(value=b"wrong")], read, truth)
    with pytest.raises(WrongAnswerError, match="count of"):
        check(rows[:-1], read, truth)
    check(rows[:-1], read, truth, whole=False)
