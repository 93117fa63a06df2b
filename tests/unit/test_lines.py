"""From assets to lines, example by example. Times are in seconds, windows of 10 s."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from penstock.codec.records import decode_record, encode_record
from penstock.errors import DecodeError, StateError
from penstock.lines import lines_of
from penstock.operator import RecordBatch, Result
from penstock.settings.plant import Line, Plant, Site, Windows, WindowSize
from penstock.settings.tags import Tag
from penstock.testing.batches import Batches, Record
from penstock.testing.partials import heartbeat
from schemas import LinePartial, Version, schema_text
from streams.lines import LinePartialsProcessor, LineStatisticsProcessor

S = 1_000_000
PRESS, PACKER = "acme/bremen/line1/press", "acme/bremen/line1/packer"


def plant(**line):
    sizes = {timedelta(seconds=10): WindowSize(reopen_for=timedelta(seconds=60))}
    windows = Windows(out_of_order=timedelta(0), hold=timedelta(seconds=5), sizes=sizes)
    tags = {
        "plc": (
            Tag(asset="line1/press", tag="made", address="1", role="good"),
            Tag(asset="line1/press", tag="power", address="2"),
        ),
        "cell": (
            Tag(asset="line1/packer", tag="Good", address="1", role="good", max=65535),
            Tag(asset="line1/packer", tag="Bad", address="2", role="scrap"),
            Tag(asset="other/fan", tag="speed", address="3"),
        ),
    }
    lines = {"line1": Line(**{"output": "packer", **line})}
    return Plant(site=Site(path="acme/bremen"), windows=windows, lines=lines, tags=tags)


class Assets:
    def __init__(self, **line):
        self.operator = LinePartialsProcessor(plant(**line)).operator()
        self.batches = Batches()

    def send(self, *samples, asset=PACKER, source="cell"):
        micros = [(tag, round(at * S), value) for tag, at, value in samples]
        output = self.operator.update(self.batches.of(Record(asset, source, micros)))
        return [result.record for result in output.results]


def partial(asset=PACKER, source="cell", start=0, good=1.0, upto=10, version=1, **figures):
    figures = {"scrap": 0.0, "total": math.nan, "covered": 10 * S, **figures}
    return LinePartial(
        "acme/bremen/line1", asset, source, start * S, 10 * S, upto * S, True, good,
        version=Version(1, (version,), 1), **figures,
    )  # fmt: skip


class Lines:
    def __init__(self, **line):
        self.operator = LineStatisticsProcessor(plant(**line)).operator()

    def send(self, *partials):
        batch = RecordBatch(partials, np.arange(len(partials)))
        return [result.record for result in self.operator.update(batch).results]


def test_the_members_of_a_line_are_its_assets_as_each_source_tells_them():
    (line,) = lines_of(plant())
    assert line.members == ((PACKER, "cell"), (PRESS, "plc"))
    assert line.output == {(PACKER, "cell")}
    assert set(line.counters) == {
        (PRESS, "plc", "made"),
        (PACKER, "cell", "Good"),
        (PACKER, "cell", "Bad"),
    }
    assert lines_of(plant(output=None))[0].output == set()
    assert lines_of(plant(output=None, flow="parallel"))[0].output == set(line.members)


def test_pieces_are_increases_over_rollover_and_reset():
    assets = Assets()
    assets.send(("Good", 1, 65530.0), ("Bad", 1, 7.0))
    assets.send(("Good", 5, 4.0), ("Bad", 5, 9.0), ("Good", 9, 6.0))
    (found,) = assets.send(("Good", 12, 7.0), ("Bad", 12, 1.0))
    assert (found.good, found.scrap, found.final) == (12.0, 2.0, True)
    assert math.isnan(found.total) and found.covered == 9 * S
    (found,) = assets.send(("Good", 20, 7.0))
    assert (found.window_start, found.good, found.scrap, found.covered) == (10 * S, 1.0, 1.0, 7 * S)


def test_a_reading_behind_the_watermark_is_late_and_no_piece_is_lost():
    assets = Assets()
    assets.send(("Good", 1, 0.0))
    assets.send(("Good", 12, 5.0))
    assert not assets.send(("Good", 8, 3.0))
    assert assets.operator.books.late == 1 and assets.operator.books.closed
    (found,) = assets.send(("Good", 20, 5.0))
    assert found.good == 5.0


def test_an_asset_of_no_line_gives_nothing():
    assets = Assets()
    assert not assets.send(("speed", 1, 1.0), ("speed", 30, 1.0), asset="acme/bremen/other/fan")
    assert assets.operator.watermarks() == {} and assets.operator.books.aggregated == 2


def test_a_quiet_member_shows_what_is_known_and_sends_heartbeats():
    assets, wall = Assets(), 1000 * S
    assets.send(("Good", 1, 0.0), ("Good", 3, 4.0))
    assert not assets.operator.advance(wall).results
    known, beat = (r.record for r in assets.operator.advance(wall + 5 * S).results)
    assert (known.good, known.final, known.watermark, known.covered) == (4.0, False, 3 * S, 7 * S)
    assert (beat.window_size, beat.window_start, beat.watermark) == (0, wall, 3 * S)
    assert not assets.operator.advance(wall + 6 * S).results
    (found,) = assets.send(("Good", 11, 9.0))
    assert (found.good, found.final, found.covered) == (4.0, True, 7 * S)


def test_a_line_closes_when_all_its_declared_members_have_passed_the_end():
    lines = Lines()
    assert not lines.send(partial(good=4.0, scrap=1.0))
    (found,) = lines.send(partial(PRESS, "plc", good=7.0))
    assert (found.good, found.scrap, found.coverage) == (4.0, 1.0, 1.0)
    assert (found.members_declared, found.members_present, found.incomplete) == (2, 2, False)
    assert (found.revision, found.watermark) == (1, 10 * S)


def test_a_greater_version_revises_and_a_redelivered_one_does_nothing():
    lines = Lines()
    first, press = partial(good=4.0), partial(PRESS, "plc")
    lines.send(first, press)
    (found,) = lines.send(partial(good=5.0, version=2))
    assert (found.good, found.revision) == (5.0, 2)
    assert not lines.send(first, press, partial(good=5.0, version=2))


def test_a_heartbeat_stands_for_a_quiet_member_and_what_it_sends_later_revises():
    lines = Lines()
    lines.send(partial(PRESS, "plc"))
    beat = heartbeat("acme/bremen/line1", PACKER, "cell", 10 * S, 2 * S, Version(1, (1,), 1))
    (found,) = lines.send(beat)
    assert (found.members_present, found.incomplete, found.watermark) == (1, False, 2 * S)
    assert math.isnan(found.good) and found.coverage == 0.0
    (found,) = lines.send(partial(good=3.0, version=2))
    assert (found.good, found.members_present, found.revision) == (3.0, 2, 2)


def test_a_missing_member_closes_the_window_by_a_deadline_as_incomplete():
    lines, wall = Lines(), 10**17
    lines.send(partial(good=4.0))
    assert not lines.operator.advance(wall).results
    assert not lines.operator.advance(wall + 119 * S).results
    (result,) = lines.operator.advance(wall + 120 * S).results
    assert (result.record.incomplete, result.record.missing) == (True, (f"{PRESS} plc",))
    assert not lines.operator.advance(wall + 999 * S).results
    (found,) = lines.send(partial(PRESS, "plc"))
    assert (found.incomplete, found.missing, found.revision) == (False, (), 2)


def test_no_wall_clock_drops_a_window_that_a_quiet_member_may_still_revise():
    lines = Lines()
    lines.send(partial(), partial(PRESS, "plc"))
    beat = heartbeat("acme/bremen/line1", PRESS, "plc", 900 * S, 10 * S, Version(1, (2,), 1))
    lines.send(beat, *(partial(start=at, upto=at + 10, version=at) for at in range(10, 500, 10)))
    (found,) = lines.send(partial(PRESS, "plc", start=10, upto=20, version=3))
    assert (found.window_start, found.members_present) == (10 * S, 2)
    lines.send(partial(PRESS, "plc", start=480, upto=490, version=4))
    assert not lines.send(partial(PRESS, "plc", start=10, upto=20, good=9.0, version=5))
    assert lines.operator.books.late == 1


def test_a_partial_of_no_member_is_handed_back():
    lines = Lines()
    output = lines.operator.update(RecordBatch((partial("acme/bremen/line1/gone"),), np.zeros(1)))
    assert [(late.reason, late.mask.tolist()) for late in output.late] == [
        ("no member of the line", [True])
    ]
    assert lines.operator.books.late == 1 and lines.operator.books.closed


@pytest.mark.parametrize("operator", [Assets().operator, Lines().operator])
def test_damaged_state_and_state_of_others_is_refused(operator):
    rows = dict(operator.changes())
    for key, row in (
        ("meta", b"[]"),
        ("meta", b'["other/1",0,0,0,0]'),
        ("x/y/z", b"{"),
        ("q", b"[]"),
    ):
        with pytest.raises(StateError) as caught:
            operator.restore({**rows, key: row})
        assert caught.value.where == key and caught.value.remedy


def test_records_are_carried_by_their_schemas():
    first, second = LinePartialsProcessor(plant()), LineStatisticsProcessor(plant())
    sent, version = partial(good=4.0, total=3.0), Version(7, (5,), 2)
    body = encode_record("LinePartial", first.to_avro(Result("line", sent), version))
    datum = decode_record(body, schema_text("LinePartial"), "LinePartial")
    assert second.from_avro("LinePartial", datum) == replace(sent, version=version)
    (found,) = Lines().send(sent, partial(PRESS, "plc"))
    body = encode_record("LineStatistics", second.to_avro(Result("line", found), version))
    datum = decode_record(body, schema_text("LineStatistics"), "LineStatistics")
    assert (datum["good"], datum["missing"], datum["incomplete"]) == (4.0, [], False)
    with pytest.raises(DecodeError, match="negative"):
        second.from_avro("LinePartial", {**datum, "covered": -1, "version": datum["version"]})
