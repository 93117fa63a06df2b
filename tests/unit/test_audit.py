"""The audit's comparisons: each kind of miscount is seen, and named with its offsets."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from penstock.audit import Audit
from penstock.audit.lake import LakeAudit, LakeSource, audit_lake, lost_file
from penstock.audit.processors import Held, ProcessorAudit, audit_processor
from penstock.audit.scanning import ABSENT, BROKEN, Dead, Letter, Scan
from penstock.cli.audit import _show
from penstock.lake import LostFile
from penstock.operator import Books
from penstock.state.checkpoint import InputState, Meta, RecordBooks, Watermarks

TOPIC = "ot.sensors.v1"
# Offset 100: 5 samples. 101: the same record again. 102: broken. 103: buried. 104: 7 samples.
SCAN = Scan(
    100, np.array([5, 5, BROKEN, 3, 7, ABSENT]), np.array([1, 1, 0, 2, 3, 0], np.uint64)
)  # fmt: skip
DEAD = Dead({("stats", 0): {Letter(102), Letter(103), Letter(999)}, ("lake", 0): {Letter(102)}})
LATE = {(3, "stats", "too late"): 2, (3, "others", "too late"): 5, (77, "stats", "too late"): 9}
META = Meta(
    environment="test", operator="o", state_format=1, partition=0, epoch=1, emission=0,
    inputs={"ot.sensors.v1": InputState(
        "id", 100, 105, RecordBooks(records_in=5, processed=2, duplicate=1, dead=2)
    )},
    samples=Books(samples_in=12, aggregated=9, bad=1, late=2),
    watermarks=Watermarks(), writer="w", number=1, written=0,
)  # fmt: skip


def with_books(**records: int) -> Meta:
    (one,) = META.inputs.values()
    return replace(META, inputs={TOPIC: replace(one, records=replace(one.records, **records))})


def wrong(meta: Meta = META, scan: Scan = SCAN, dead: Dead = DEAD, late: Any = LATE) -> list[str]:
    (row,), differences = audit_processor("stats", meta, {TOPIC: Held(scan, dead, late)})
    assert row.difference == len(differences)
    return [f"{one.what}: {one.expected}, {one.found}" for one in differences]


def test_books_that_agree() -> None:
    assert wrong() == []


@pytest.mark.parametrize(
    ("records", "samples", "found"),
    [
        ({"dead": 1, "processed": 3}, {}, "dead letters, at 102–103, = records dead: 2, 1"),
        ({"processed": 1}, {}, "records in + retried = processed + duplicate + dead: 5, 4"),
        ({"lost": 1}, {}, "records in + lost = offsets 100 to 105: 5, 6"),
        ({"duplicate": 0, "processed": 3}, {}, "duplicates in the topic: 1, 0"),
        ({}, {"samples_in": 13, "bad": 2}, "samples in the topic, each record once: 12, 13"),
        ({}, {"aggregated": 8}, "samples in = aggregated + bad + late: 12, 11"),
        ({}, {"late": 1, "aggregated": 10}, "samples in the late topic: 2, 1"),
    ],
)  # fmt: skip
def test_each_miscount_of_a_processor_is_named(
    records: dict[str, int], samples: dict[str, int], found: str
) -> None:
    meta = replace(with_books(**records), samples=replace(META.samples, **samples))
    assert wrong(meta) == [found]


def test_a_broken_record_must_be_dead() -> None:
    assert wrong(with_books(dead=1, processed=3), dead=Dead({("stats", 0): {Letter(103)}})) == [
        "broken records not dead: 102: 0, 1"
    ]


def test_records_that_hold_no_samples_count_as_one_each() -> None:
    meta = replace(META, samples=Books(samples_in=2, late=2))
    _, differences = audit_processor("stats", meta, {TOPIC: Held(SCAN, DEAD, LATE, sampled=False)})
    assert differences == []


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (3, []),
        (5, []),  # two were read before Kafka took them away
        (2, ["records in + lost = offsets 100 to 105: 3, 2", "each record once: 3, 2"]),
        (6, ["records in + lost = offsets 100 to 105: 5, 6", "each record once: 5, 6"]),
    ],
)
def test_records_that_were_compacted_away_may_have_been_read_or_not(
    read: int, found: list[str]
) -> None:
    scan = Scan(100, np.array([1, ABSENT, 1, ABSENT, 1]), np.array([1, 0, 2, 0, 3], np.uint64))
    books = RecordBooks(records_in=read, processed=read)
    meta = replace(META, inputs={TOPIC: InputState("id", 100, 105, books)},
                   samples=Books(samples_in=read, aggregated=read))  # fmt: skip
    held = Held(scan, Dead({}), {}, sampled=False, compacted=True)
    _, differences = audit_processor("orders", meta, {TOPIC: held})
    told = sorted(f"{one.what}: {one.expected}, {one.found}" for one in differences)
    assert all(one.endswith(words) for one, words in zip(told, found, strict=True))


def test_what_the_topic_no_longer_holds_is_not_counted_again() -> None:
    held = Held(SCAN.part(103, 106), DEAD, LATE)
    (row,), differences = audit_processor("stats", META, {TOPIC: held})
    assert (row.unseen, differences) == (3, [])


@pytest.mark.parametrize(
    ("offsets", "found"),
    [
        ([100] * 5 + [101] * 5 + [103] * 3 + [104] * 7, []),
        ([100] * 5 + [101] * 4 + [103] * 3, ["rows missing, of offsets 101, 104: 12, 4"]),
        ([100] * 5 + [101] * 5 + [103] * 3 + [104] * 7 + [102, 105],
         ["rows too many, of offsets 102, 105: 0, 2"]),
    ],
)  # fmt: skip
def test_rows_of_the_lake_are_compared_by_offset(offsets: list[int], found: list[str]) -> None:
    source = LakeSource("lake", "ot.sensors.v1", "t", {0: 105}, {}, {0: 105})
    audits, differences = audit_lake(source, {0: np.array([*offsets, 7])}, {0: SCAN}, DEAD)
    assert [f"{one.what}: {one.expected}, {one.found}" for one in differences] == found
    assert audits[0].expected == 20
    assert bool(audits[0].difference) is bool(found)


@pytest.mark.parametrize(
    ("committed", "found"),
    [
        ({}, []),
        ({0: 101}, []),
        ({0: 104}, [
            "commits of the table are lost: its next offset, and the one that its sink committed: "
            "104, 101",
            "rows missing, of offsets 101, 103: 8, 0",
        ]),
    ],
)  # fmt: skip
def test_the_lake_may_be_behind_the_topic_and_not_behind_what_its_sink_committed(
    committed: dict[int, int], found: list[str]
) -> None:
    source = LakeSource("lake", TOPIC, "t", {0: 101}, {}, committed)
    (row,), differences = audit_lake(source, {0: np.array([100] * 5)}, {0: SCAN}, DEAD)
    assert [f"{one.what}: {one.expected}, {one.found}" for one in differences] == found
    assert (row.offset, row.behind) == (101, 4)


def test_books_and_rows_of_a_topic_that_was_created_anew_are_named() -> None:
    _, (named,) = audit_processor("stats", META, {TOPIC: Held(SCAN, DEAD, LATE, topic_id="other")})
    assert (named.where, named.expected, named.found) == (f"stats, {TOPIC}[0]", 0, 1)
    assert "created again: the books are of the former one" in named.what
    source = LakeSource("lake", TOPIC, "t", {0: 100}, {}, {}, frozenset({0}))
    _, (named,) = audit_lake(source, {}, {0: SCAN}, DEAD)
    assert named.where == f"samples, {TOPIC}[0]"
    assert "created again: the table's next offset is of the former one" in named.what


def test_a_table_that_is_gone_lacks_what_its_sink_committed() -> None:
    source = LakeSource("lake", TOPIC, "", {}, {}, {0: 104})
    (row,), differences = audit_lake(source, {}, {0: SCAN}, Dead())
    assert (row.rows, row.expected, row.behind) == (0, 13, 5)
    assert differences[-1].what == "rows missing, of offsets 100–101, 103"


def test_a_lost_file_is_named_with_what_it_held() -> None:
    lost = LostFile("samples", "site=a/x.parquet", "missing", 40, (2, 2), (7, 9))
    found = lost_file(lost)
    assert found.where == "samples/site=a/x.parquet"
    assert found.what == "missing: it held rows of offsets 7–9 of partition 2"
    assert (found.expected, found.found) == (40, 0)


def test_what_people_see_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    records = {"records_in": 1_234_567, "processed": 1_234_000, "duplicate": 567, "dead": 0}
    samples = {"samples_in": 123_456_789, "aggregated": 123_456_784, "bad": 5, "late": 0}
    book = ProcessorAudit(
        "production-partials", "ot.window-statistics.v1", 11, 0, 1_234_567, records, samples, 0, 0
    )
    lake = LakeAudit(
        "window_revisions", "ot.window-statistics.v1", 11, 9_999_999, 99, 9_999, 9_999, 0
    )
    _show(Audit([book], [lake]), Console(width=80))
    seen = capsys.readouterr().out
    assert "…" not in seen
    lines = [line.split() for line in seen.splitlines()]
    figures = ["1,234,567", "1,234,000", "123,456,789", "123,456,784"]
    assert ["ot.window-statistics.v1", "11", *figures] in lines
    assert ["567", "duplicate"] in lines
    assert "dead" not in seen
