"""Tables that another release has written: new columns come in, another type does not."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, WriterProperties, write_deltalake
from lake_worker import new_sink, record

from penstock.errors import LakeSchemaError
from penstock.kafka.topics import SENSORS
from penstock.lake import compact, open_lake, query
from sinks.lake_rows import PARTITION_BY, SAMPLES, sample_rows


def other_release(folder: Path, rows: pa.Table) -> None:
    """Write as a release whose columns are those of the rows."""
    write_deltalake(
        folder / "samples", rows, mode="append", schema_mode="merge", partition_by=PARTITION_BY,
        writer_properties=WriterProperties(compression="ZSTD"),
    )  # fmt: skip


def write(folder: Path, offset: int) -> None:
    sink = new_sink(folder)
    sink.open(SENSORS.name, 0)
    sink.write([record(0, offset)])
    sink.flush()


def counts(folder: Path, column: str) -> tuple[object, ...]:
    sql = f"select count(*), count({column}), count(distinct value) from samples"
    return query(open_lake(str(folder)), sql)[1][0]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_table_of_an_older_release_gets_the_new_columns(tmp_path: Path, compacted: bool) -> None:
    older = sample_rows([record(0, 0)]).drop_columns(["ingest_time", "kafka_offset"])
    other_release(tmp_path, older)
    write(tmp_path, 1)
    write(tmp_path, 3)
    if compacted:
        compact(str(tmp_path))
    assert counts(tmp_path, "ingest_time") == (60, 40, 60)
    assert {f.name for f in DeltaTable(tmp_path / "samples").schema().fields} == set(SAMPLES.names)


def test_columns_of_a_newer_release_are_read_and_filled_with_nulls(tmp_path: Path) -> None:
    newer = sample_rows([record(0, 0)])
    other_release(tmp_path, newer.append_column("origin", pa.array(["replay"] * len(newer))))
    write(tmp_path, 1)
    assert counts(tmp_path, "origin") == (40, 20, 40)


def test_a_column_of_another_type_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    rows = sample_rows([record(0, 0)])
    at = rows.column_names.index("quality")
    other_release(tmp_path, rows.set_column(at, "quality", rows["quality"].cast(pa.string())))
    sink = new_sink(tmp_path)
    with pytest.raises(LakeSchemaError) as refused:
        sink.open(SENSORS.name, 0)
    assert str(refused.value) == (
        f"{tmp_path}/samples: column 'quality' is string, and integer is to be written"
        " (move the table away, or let the sink write to another path)"
    )
    assert not refused.value.transient


def test_a_type_that_changes_under_a_sink_is_refused_and_not_converted(tmp_path: Path) -> None:
    sink = new_sink(tmp_path)
    sink.open(SENSORS.name, 0)
    rows = sample_rows([record(0, 0)])
    at = rows.column_names.index("value")
    shutil.rmtree(tmp_path / "samples")  # opening made it
    other_release(tmp_path, rows.set_column(at, "value", rows["value"].cast(pa.int64())))
    sink.write([record(0, 0)])
    with pytest.raises(LakeSchemaError, match="column 'value' is long, and double"):
        sink.flush()
    assert counts(tmp_path, "value")[0] == 20
