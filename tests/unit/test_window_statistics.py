"""WindowStatistics, example by example. Times are in seconds, windows of 10 s unless stated."""

import base64
import dataclasses
import io
import json
import math
from datetime import timedelta
from pathlib import Path

import fastavro
import numpy as np
import pytest

from penstock.components import load
from penstock.errors import ConfigurationError, DecodeError, StateError
from penstock.operator import Books, ClockState, Names, Result, SourceClock
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.testing.batches import Batches, Record
from schemas import Version, schema
from streams.operators.window_statistics import WindowStatistics
from streams.operators.windows.parameters import Size, WindowParameters
from streams.window_statistics import WindowStatisticsProcessor

S = 1_000_000
YEAR = 365 * 86_400


class Plain:
    """An operator fed with records of (tag, seconds, …), each its own batch unless stated."""

    def __init__(self, sizes=((10, 60),), out_of_order=0, hold=30, clock_ahead=300):
        micros = tuple(Size(size * S, kept * S) for size, kept in sizes)
        parameters = WindowParameters(out_of_order * S, hold * S, clock_ahead * S, micros)
        self.operator = WindowStatistics(parameters)
        self.batches = Batches()

    def record(self, *samples, asset="press07", source="plc", ingest=None):
        micros = [(tag, round(time * S), *rest) for tag, time, *rest in samples]
        return Record(asset, source, micros, None if ingest is None else ingest * S)

    def send(self, *samples, **of):
        return self.operator.update(self.batches.of(self.record(*samples, **of)))

    def windows(self, *samples, **of):
        """The results of one record, as (window start in seconds, record)."""
        return [(r.record.window_start / S, r.record) for r in self.send(*samples, **of).results]


def figures(record, *names):
    return {
        tag: tuple(getattr(record, name)[place].item() for name in names)
        for place, tag in enumerate(record.tags)
    }


def test_a_window_closes_when_the_watermark_reaches_its_end():
    plain = Plain()
    assert not plain.windows(("power", 0, 4.0), ("power", 5, 2.0), ("power", 9.9, 6.0))
    ((start, record),) = plain.windows(("power", 10, 100.0))
    assert (start, record.asset, record.source, record.revision) == (0, "press07", "plc", 1)
    assert record.window_size == record.watermark == 10 * S
    names = ("count", "mean", "minimum", "maximum", "first", "last", "bad", "late")
    assert figures(record, *names) == {"power": (3, 4.0, 2.0, 6.0, 4.0, 6.0, 0, 0)}
    assert record.standard_deviation[0] == pytest.approx(math.sqrt(8 / 3))
    assert record.time_weighted_mean[0] == pytest.approx((5 * 4 + 4.9 * 2 + 0.1 * 6) / 10)


def test_out_of_order_delays_the_close_and_lets_samples_overtake():
    plain = Plain(out_of_order=2)
    assert not plain.windows(("power", 0, 0.0), ("power", 11, 9.0))
    assert not plain.windows(("power", 9.5, 2.0))
    ((_, record),) = plain.windows(("power", 12, 9.0))
    assert figures(record, "count", "last", "late") == {"power": (2, 2.0, 0)}
    assert record.time_weighted_mean[0] == pytest.approx(0.1)


def test_the_last_value_is_carried_into_windows_without_samples():
    plain = Plain()
    plain.send(("speed", 4, 7.0), ("power", 4, 1.0))
    first, second = plain.windows(("power", 20, 1.0))
    assert figures(first[1], "count", "coverage") == {"speed": (1, 0.6), "power": (1, 0.6)}
    held = figures(second[1], "count", "coverage", "time_weighted_mean")
    assert held == {"speed": (0, 1.0, 7.0), "power": (0, 1.0, 1.0)}
    assert math.isnan(second[1].mean[0]) and math.isnan(second[1].first[0])


def test_quiet_series_of_a_living_stream_stay_covered():
    plain = Plain(hold=5)
    plain.send(("setpoint", 0, 50.0), ("power", 0, 1.0))
    results = [w for k in range(1, 61) for w in plain.windows(("power", k, 1.0))]
    assert len(results) == 6
    for _, record in results:
        got = figures(record, "coverage", "time_weighted_mean")
        assert got == {"setpoint": (1.0, 50.0), "power": (1.0, 1.0)}


def test_silence_ends_coverage_after_hold_until_each_series_reports_again():
    plain = Plain(hold=5)
    plain.send(("setpoint", 0, 50.0), ("power", 2, 1.0))
    ((_, before),) = plain.windows(("power", 38, 3.0))
    assert figures(before, "coverage") == {"setpoint": (0.7,), "power": (0.5,)}
    ((start, after),) = plain.windows(("power", 40, 3.0))
    assert (start, figures(after, "coverage")) == (30, {"power": (0.2,)})


def test_silence_within_a_window_is_not_covered():
    plain = Plain(sizes=((60, 60),), hold=5)
    plain.send(("power", 0, 1.0), ("power", 10, 3.0), ("power", 12, 3.0))
    ((_, record),) = plain.windows(("power", 50, 1.0), ("power", 60, 1.0))
    assert record.coverage[0] == pytest.approx((5 + 2 + 5 + 5) / 60)
    assert record.time_weighted_mean[0] == pytest.approx((5 + 7 * 3 + 5) / 17)


def test_a_jump_ahead_emits_only_windows_with_something_in_them():
    plain = Plain(hold=25)
    plain.send(("power", 0, 1.0))
    starts = [start for start, _ in plain.windows(("power", YEAR, 1.0))]
    assert starts == [0, 10, 20]


def test_a_bad_sample_is_counted_and_ends_coverage_until_the_next_good_one():
    plain = Plain()
    plain.send(("power", 0, 4.0), ("power", 2, 99.0, False), ("power", 5, math.nan))
    ((_, record),) = plain.windows(("power", 6, 8.0), ("power", 10, 1.0))
    names = ("count", "bad", "maximum", "coverage")
    assert figures(record, *names) == {"power": (2, 2, 8.0, 0.6)}
    assert record.time_weighted_mean[0] == pytest.approx((2 * 4.0 + 4 * 8.0) / 6)
    assert plain.operator.books == dataclasses.replace(
        plain.operator.books, samples_in=5, aggregated=3, bad=2, late=0
    )


def test_a_bad_sample_moves_the_watermark():
    plain = Plain()
    plain.send(("power", 0, 4.0))
    assert [start for start, _ in plain.windows(("power", 10, math.nan))] == [0]
    assert plain.operator.watermarks() == {("press07", "plc"): 10 * S}


def test_a_late_sample_revises_its_window_at_once():
    plain = Plain()
    plain.send(("power", 0, 4.0))
    assert plain.windows(("power", 10, 4.0))[0][1].revision == 1
    ((start, record),) = plain.windows(("power", 3, 10.0), ("power", 3, 1.0))
    assert (start, record.revision) == (0, 2)
    names = ("count", "late", "mean", "minimum", "maximum", "first", "last")
    assert figures(record, *names) == {"power": (3, 2, 5.0, 1.0, 10.0, 4.0, 1.0)}
    assert figures(record, "time_weighted_mean", "coverage") == {"power": (4.0, 1.0)}
    assert plain.operator.books.aggregated == 4


def test_a_late_bad_sample_is_bad_and_does_not_end_coverage():
    plain = Plain()
    plain.send(("power", 0, 4.0), ("power", 9, 4.0))
    plain.send(("power", 5, math.nan))
    ((_, record),) = plain.windows(("power", 10, 4.0))
    names = ("count", "bad", "late", "coverage")
    assert figures(record, *names) == {"power": (2, 1, 0, 1.0)}
    assert plain.operator.books.bad == 1


def test_a_sample_that_no_size_takes_is_too_late_one_that_some_take_is_not():
    plain = Plain(sizes=((10, 10), (60, 60)))
    plain.send(("power", 0, 1.0), ("power", 20, 1.0))
    some = plain.send(("power", 5, 2.0))
    assert not some.late and not some.results
    assert plain.operator.books.aggregated == 3
    plain.send(("power", 120, 1.0))
    none = plain.send(("power", 119, 1.0), ("power", 6, 2.0))
    assert [(late.reason, late.mask.tolist()) for late in none.late] == [
        ("too late", [False, True])
    ]
    assert plain.operator.books.late == 1 and plain.operator.books.closed
    assert [(r.record.window_start / S, r.record.late.tolist()) for r in none.results] == [
        (110, [1]),
        (60, [1]),
    ]


def test_a_sample_ahead_of_its_ingest_is_set_aside():
    plain = Plain(clock_ahead=300)
    in_2106 = 136 * YEAR
    output = plain.send(("power", in_2106, 1.0), ("power", 1, 2.0), ingest=1)
    assert [(late.reason, late.mask.tolist()) for late in output.late] == [
        ("clock ahead", [True, False])
    ]
    assert plain.operator.watermarks() == {("press07", "plc"): 1 * S}
    assert plain.operator.books.late == 1 and plain.operator.books.closed
    assert not plain.send(("power", 301, 2.0), ingest=1).late
    assert plain.send(("power", -(2**60) / S * 4, 2.0)).late[0].mask.tolist() == [True]


def test_a_stream_of_which_everything_was_set_aside_has_no_watermark():
    plain = Plain()
    plain.send(("power", 1000, 1.0), ingest=0)
    assert plain.operator.watermarks() == {}
    assert not plain.send(("power", -70 * YEAR, 1.0)).late


def test_windows_of_1970_and_before_do_not_alias_today():
    plain, today = Plain(hold=1), 56 * YEAR
    assert not plain.windows(("power", -3, 1.0))
    assert [start for start, _ in plain.windows(("power", 3, 2.0))] == [-10]
    ((start, old),) = plain.windows(("power", today, 5.0))
    assert (start, old.count.tolist()) == (0, [1])
    assert plain.send(("power", 4, 9.0)).late[0].reason == "too late"
    ((start, new),) = plain.windows(("power", today + 10, 5.0))
    assert (start, new.count.tolist(), new.maximum.tolist()) == (today, [1], [5.0])


def test_one_wrong_clock_moves_no_other_stream():
    plain = Plain()
    plain.send(("power", 0, 1.0))
    plain.send(("power", 250, 1.0), asset="pump03", ingest=0)
    plain.send(("power", 250, 1.0), source="other", ingest=0)
    ((_, record),) = plain.windows(("power", 10, 1.0))
    assert (record.asset, record.source) == ("press07", "plc")


def test_text_is_counted_and_covers_booleans_are_numbers():
    plain = Plain()
    plain.send(("state", 0, "idle"), ("open", 0, True), ("open", 5, False))
    ((_, record),) = plain.windows(("open", 10, True))
    assert figures(record, "count", "coverage") == {"state": (1, 1.0), "open": (2, 1.0)}
    state, open_ = record.tags.index("state"), record.tags.index("open")
    assert (record.mean[open_], record.time_weighted_mean[open_]) == (0.5, 0.5)
    for name in ("mean", "time_weighted_mean", "minimum", "maximum", "first", "last"):
        assert math.isnan(getattr(record, name)[state])


def test_series_that_appear_while_windows_are_open_get_cells_in_them():
    plain = Plain(sizes=((10, 60), (60, 60)))
    for k in range(40):
        plain.send((f"tag{k}", k, float(k)))
    results = plain.windows(("tag0", 60, 0.0))
    minute = next(r for _, r in results if r.window_size == 60 * S)
    assert minute.first.tolist() == [float(k) for k in range(40)]
    assert minute.count.tolist() == [1] * 40


def test_a_constant_has_no_deviation_and_is_its_own_mean():
    plain = Plain()
    plain.send(*[("power", k / 7, 0.1) for k in range(70)])
    ((_, record),) = plain.windows(("power", 10, 0.1))
    assert figures(record, "mean", "time_weighted_mean", "standard_deviation") == {
        "power": (0.1, 0.1, 0.0)
    }


def test_windows_are_dropped_when_nothing_can_reach_them_any_more():
    plain = Plain(sizes=((10, 20),))
    for k in range(200):
        plain.send(("power", 10 * k, 1.0))
    rows = {key for key, row in plain.operator.changes().items() if row is not None}
    assert {key for key in rows if key.startswith("w/")} == {
        f"w/{10 * S}/{start * S}/press07/plc" for start in (1970, 1980, 1990)
    }


def test_dropped_windows_are_deleted_rows():
    plain = Plain(sizes=((10, 0),))
    plain.send(("power", 0, 1.0))
    assert plain.operator.changes()[f"w/{10 * S}/0/press07/plc"] is not None
    plain.send(("power", 10, 1.0))
    assert plain.operator.changes()[f"w/{10 * S}/0/press07/plc"] is None


HOPS = (Size(10 * S, 20 * S, every=5 * S),)


def hopping(sizes=HOPS, **parameters):
    plain = Plain(**parameters)
    plain.operator = WindowStatistics(dataclasses.replace(plain.operator.parameters, sizes=sizes))
    return plain


def test_windows_that_hop_overlap():
    plain = hopping()
    first = plain.windows(("power", 1, 1.0), ("power", 6, 2.0), ("power", 11, 9.0))
    assert [(start, figures(r, "count")) for start, r in first] == [
        (-5, {"power": (1,)}),
        (0, {"power": (2,)}),
    ]
    assert figures(first[1][1], "mean", "maximum", "first", "last", "coverage") == {
        "power": (1.5, 2.0, 1.0, 2.0, 0.9)
    }
    assert first[1][1].window_size == 10 * S
    ((start, third),) = plain.windows(("power", 15, 0.0))
    assert (start, figures(third, "count", "first", "last")) == (5, {"power": (2, 2.0, 9.0)})
    assert third.time_weighted_mean[0] == pytest.approx((1 + 5 * 2 + 4 * 9) / 10)


def test_a_late_sample_revises_all_windows_that_hold_it_as_long_as_the_last_of_them_is_kept():
    plain = hopping()
    plain.send(("power", 1, 1.0), ("power", 6, 2.0))
    plain.send(("power", 34.9, 1.0))
    revised = plain.windows(("power", 7, 3.0))
    assert [(start, r.revision, figures(r, "count", "late")) for start, r in revised] == [
        (0, 2, {"power": (3, 1)}),
        (5, 2, {"power": (2, 1)}),
    ]
    plain.send(("power", 35, 1.0))
    assert plain.send(("power", 7, 3.0)).late[0].reason == "too late"


def test_a_size_may_have_its_own_out_of_order():
    sizes = (Size(10 * S, 0), Size(20 * S, 60 * S, out_of_order=5 * S))
    plain = hopping(sizes, out_of_order=0)
    plain.send(("power", 1, 1.0), ("power", 21, 1.0))
    output = plain.send(("power", 18, 4.0))
    assert not output.results and not output.late
    assert plain.operator.watermarks() == {("press07", "plc"): 16 * S}
    results = plain.windows(("power", 25, 1.0))
    assert [(s, r.watermark, figures(r, "count", "late")) for s, r in results] == [
        (0, 20 * S, {"power": (2, 0)})
    ]
    assert results[0][1].window_size == 20 * S


def test_state_of_format_1_is_migrated():
    path = Path(__file__).parents[1] / "golden/window_statistics/state_format_1.json"
    saved = json.loads(path.read_text("utf-8"))["rows"]
    rows = {key: base64.b64decode(row) for key, row in saved.items()}
    plain = Plain(sizes=((10, 60), (60, 120)), out_of_order=2, hold=30, clock_ahead=300)
    fingerprint = json.loads(rows["meta"].partition(b"\n")[0])[0]
    assert fingerprint.startswith("window-statistics/1 ") and plain.operator.reads(fingerprint)
    plain.operator.restore(rows)
    assert plain.operator.books == Books(samples_in=11, aggregated=9, bad=1, late=1)
    changes = plain.operator.changes()
    assert {key for key, row in changes.items() if row is None} == {k for k in rows if k[0] == "s"}
    rewritten = {key: row for key, row in changes.items() if row is not None}
    other = Plain(sizes=((10, 60), (60, 120)), out_of_order=2, hold=30, clock_ahead=300)
    other.operator.restore(rewritten)
    for one in (plain, other):
        results = one.windows(("power", 62, 1.0), asset="acme/bremen/press07")
        found = {
            (s, r.window_size // S, r.revision): figures(r, "count", "late") for s, r in results
        }
        assert found[0, 60, 1] == {"power": (5, 1), "state": (1, 0), "speed": (1, 0)}
        assert found[10, 10, 1] == {"power": (2, 0), "speed": (1, 0), "state": (0, 0)}
    assert not Plain(hold=29).operator.reads(fingerprint)


def test_a_clock_that_runs_away_is_flagged_set_aside_and_moves_no_other():
    plain = Plain(clock_ahead=300)
    plain.send(("power", 0, 1.0), ingest=1)
    plain.send(("power", 5, 1.0), source="other", ingest=5)
    plain.send(("power", 900, 1.0), ("power", 901, 1.0), ("power", 4, 1.0), ingest=6)
    plain.send(("power", 902, 1.0), ingest=7)
    runaway = SourceClock(ClockState.RUNAWAY, 6 * S, 3)
    for operator in (plain.operator, restored(plain).operator):
        assert operator.clocks() == {
            ("press07", "plc"): runaway,
            ("press07", "other"): SourceClock(ClockState.OK, 5 * S, 0),
        }
        assert operator.watermarks() == {("press07", "plc"): 4 * S, ("press07", "other"): 5 * S}
    plain.send(("power", 8, 1.0), ingest=8)
    assert plain.operator.clocks()["press07", "plc"] == SourceClock(ClockState.OK, 8 * S, 3)


def test_a_clock_is_idle_from_when_it_was_last_heard():
    plain, wall = Plain(hold=30), 1000 * S
    plain.send(("power", 0, 1.0), ingest=1)
    plain.operator.advance(wall)
    assert plain.operator.clocks()["press07", "plc"].state is ClockState.OK
    plain.operator.advance(wall + 30 * S)
    assert plain.operator.clocks()["press07", "plc"] == SourceClock(ClockState.IDLE, wall, 0)
    plain.send(("power", 40, 1.0), ingest=40)
    assert plain.operator.clocks()["press07", "plc"] == SourceClock(ClockState.OK, 1 * S, 0)


def restored(plain):
    other = Plain(clock_ahead=300)
    other.operator.restore(plain.operator.changes())
    return other


def test_changes_hold_only_what_changed():
    plain = Plain()
    plain.send(("power", 0, 1.0))
    plain.send(("power", 0, 1.0), asset="pump03")
    assert len(plain.operator.changes()) == 1 + 2 * 3
    assert plain.operator.changes() == {}
    plain.send(("power", 1, 1.0), asset="pump03")
    assert set(plain.operator.changes()) == {"meta", "s/0/pump03/plc", f"w/{10 * S}/0/pump03/plc"}


def test_restored_state_knows_names_not_numbers():
    plain = Plain()
    plain.send(("b", 0, 1.0), ("a", 0, 2.0), asset="x/y", source="z")
    plain.send(("b", 0, 3.0), asset="x", source="y/z")
    other = Plain()
    other.operator.restore(plain.operator.changes())
    assert other.operator.books == plain.operator.books
    assert other.operator.watermarks() == {("x/y", "z"): 0, ("x", "y/z"): 0}
    ((_, record),) = other.windows(("b", 10, 0.0), asset="x", source="y/z")
    assert figures(record, "count", "first") == {"b": (1, 3.0)}
    ((_, record),) = other.windows(("a", 10, 0.0), ("b", 10, 0.0), asset="x/y", source="z")
    assert figures(record, "first") == {"b": (1.0,), "a": (2.0,)}


def test_restoring_nothing_starts_anew():
    plain = Plain()
    plain.send(("power", 0, 1.0))
    plain.operator.restore({})
    assert plain.operator.watermarks() == {} and plain.operator.books.samples_in == 0


@pytest.mark.parametrize(
    ("spoil", "where", "says"),
    [
        (lambda rows: rows.pop("meta"), "meta", "no 'meta' row"),
        (lambda rows: rows.update(meta=b"[]"), "meta", "damaged"),
        (lambda rows: rows.update(meta=b'["other/1",0,0,0,0]\n'), "meta", "other/1"),
        (lambda rows: rows.update({"s/0/a/b": b"garbage"}), "s/0/a/b", "damaged"),
        (lambda rows: rows.update({"w/7/0/press07/plc": b"[1,0]\n"}), "w/7/", "damaged"),
        (lambda rows: rows.update({"w/10000000/0/a/s": b'["x",0]\n'}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({"w/10000000/0/a/s": b"[null,0]\n"}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({"w/10000000/0/a/s": b"[[1],0]\n"}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({"w/10000000/0/a/s": b"[1,0]\nx"}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({"w/10000000/00/a/s": b"[1,0]\n"}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({"w/10000000/0/%61/s": b"[1,0]\n"}), "w/10000000/", "damaged"),
        (lambda rows: rows.update({f"w/10000000/{2**63}/a/s": b"[1,0]\n"}), "w/", "damaged"),
        (lambda rows: rows.update({"s/0/a/b": b'[0,0,["t","t"]]\n'}), "s/0/a/b", "damaged"),
        (lambda rows: rows.update({"c/a/b": b"[1]\n"}), "c/a/b", "damaged"),
        (lambda rows: rows.update({"k/v": b"[]\n"}), "k/v", "damaged"),
    ],
)
def test_state_that_cannot_be_used_is_refused_and_changes_nothing(spoil, where, says):
    plain = Plain()
    plain.send(("power", 0, 1.0))
    rows = dict(plain.operator.changes())
    spoil(rows)
    other = Plain()
    other.send(("power", 7, 1.0))
    with pytest.raises(StateError, match=says) as caught:
        other.operator.restore(rows)
    assert str(caught.value.where).startswith(where) and caught.value.remedy
    assert other.operator.watermarks() == {("press07", "plc"): 7 * S}


def test_other_parameters_refuse_the_state():
    plain = Plain(hold=30)
    plain.send(("power", 0, 1.0))
    other = Plain(hold=31)
    assert other.operator.fingerprint != plain.operator.fingerprint
    with pytest.raises(StateError, match="hold=30000000"):
        other.operator.restore(plain.operator.changes())


def test_an_update_that_raises_changes_nothing():
    plain = Plain()
    plain.send(("power", 0, 1.0))
    plain.operator.changes()
    good = plain.batches.of(plain.record(("power", 20, 1.0), ("speed", 20, 1.0)))
    for wrong in (
        {"time": good.time[:1]},
        {"record": np.array([0, 1], np.int32)},
        {
            "record": np.array([1, 0], np.int32),
            "stream": good.stream.repeat(2),
            "ingest": good.ingest.repeat(2),
        },
        {"series": np.array([0, 2], np.int32)},
        {"stream": np.array([-1], np.int32)},
        {"series_names": Names()},
        {"kind": np.zeros(1, np.int8)},
        {"good": good.good.astype(np.int8)},
    ):
        with pytest.raises(DecodeError, match="do not fit"):
            plain.operator.update(dataclasses.replace(good, **wrong))
    assert plain.operator.changes() == {} and plain.operator.books.samples_in == 1
    assert len(plain.operator.update(good).results) == 2


def test_records_without_samples_change_nothing():
    plain = Plain()
    assert not plain.send().results
    mixed = [plain.record(), plain.record(("power", 0, 1.0)), plain.record()]
    plain.operator.update(plain.batches.of(*mixed))
    assert plain.operator.watermarks() == {("press07", "plc"): 0}


def test_an_idle_stream_shows_its_windows_and_moves_no_watermark():
    plain, wall = Plain(out_of_order=5, hold=8), 1000 * S
    plain.send(("power", 2, 4.0), ("power", 6, 6.0))
    operator = plain.operator
    assert not operator.advance(wall).results  # heard only now
    assert not operator.advance(wall + 7 * S).results
    results = operator.advance(wall + 8 * S).results
    names = ("count", "coverage", "time_weighted_mean")
    assert [(r.record.window_start, figures(r.record, *names)) for r in results] == [
        (0, {"power": (2, 0.8, 5.0)}),
        (10 * S, {"power": (0, 0.4, 6.0)}),
    ]
    assert operator.watermarks() == {("press07", "plc"): 1 * S}
    assert not operator.advance(wall + 600 * S).results
    revised = plain.windows(("power", 3, 1.0), ("power", 40, 0.0))
    assert [(r.revision, figures(r, "count", "late")) for _, r in revised] == [
        (2, {"power": (3, 0)}),
        (2, {"power": (0, 0)}),
    ]


def test_an_idle_window_that_turns_out_empty_is_taken_back():
    plain, wall = Plain(out_of_order=5, hold=8), 1000 * S
    plain.send(("power", 6, 6.0))
    plain.operator.advance(wall)
    assert len(plain.operator.advance(wall + 8 * S).results) == 2
    first, second = plain.windows(("power", 7, math.nan), ("power", 40, 0.0))
    assert figures(first[1], "coverage") == {"power": (0.1,)}
    assert (second[0], second[1].revision, second[1].tags) == (10, 2, ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold": -1},
        {"sizes": ()},
        {"sizes": (Size(0, 1),)},
        {"sizes": (Size(10, 1), Size(10, 2))},
        {"sizes": (Size(10, -1),)},
        {"sizes": (Size(10, 1, every=3),)},
        {"sizes": (Size(10, 1, every=20),)},
        {"sizes": (Size(10, 1, every=0),)},
        {"sizes": (Size(10, 1, out_of_order=-1),)},
        {"out_of_order": 1 << 60},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    right = {"out_of_order": 0, "hold": 1, "clock_ahead": 1, "sizes": (Size(10, 1),)}
    with pytest.raises(ConfigurationError, match="windows"):
        WindowParameters(**{**right, **wrong})


def plant():
    sizes = {
        timedelta(minutes=1): WindowSize(reopen_for=timedelta(hours=4)),
        timedelta(seconds=10): WindowSize(reopen_for=timedelta(minutes=15)),
    }
    return Plant(site=Site(path="acme/bremen"), windows=Windows(sizes=sizes))


def test_the_processor_takes_the_windows_of_the_plant():
    assert load("processors", "window-statistics") is WindowStatisticsProcessor
    processor = WindowStatisticsProcessor(plant())
    assert (processor.topics, processor.writes) == (("ot.sensors.v1",), "ot.features.v1")
    assert processor.state_topic == "ot.window-statistics.state.v1"
    assert processor.operator().fingerprint == (
        "window-statistics/2 out_of_order=1000000 hold=60000000 clock_ahead=300000000 "
        "sizes=10000000+900000000,60000000+14400000000"
    )


def test_the_processor_writes_its_avro_schema():
    plain = Plain()
    plain.send(("power", 0, 1.0), ("state", 0, "idle"))
    (result,) = plain.send(("power", 10, 1.0)).results
    datum = WindowStatisticsProcessor(plant()).to_avro(
        Result(result.key, result.record), Version(1, (7, 9), 3)
    )
    parsed, out = fastavro.parse_schema(schema("WindowStatistics")), io.BytesIO()
    fastavro.schemaless_writer(out, parsed, datum, strict=True)
    out.seek(0)
    back = fastavro.schemaless_reader(out, parsed, None)
    assert back["tags"] == ["power", "state"] and back["count"] == [1, 1]
    assert back["version"] == {"epoch": 1, "offsets": [7, 9], "emission": 3}
    assert back["window_start"].timestamp() == 0 and back["coverage"] == [1.0, 1.0]
