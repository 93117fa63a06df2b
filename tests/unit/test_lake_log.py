"""Which entries of a table's log are damaged, in a real table."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from penstock.lake.log import LOG, LogFault, log_faults

ENTRIES = 5


def name(version: int) -> str:
    return f"{LOG}/{version:020}.json"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of some commits."""
    for value in range(ENTRIES):
        write_deltalake(tmp_path, pa.table({"value": [value]}), mode="append")
    return tmp_path


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (Path.unlink, "missing"),
    "emptied": (lambda entry: entry.write_bytes(b""), "empty"),
    "cut": (lambda entry: entry.write_bytes(entry.read_bytes()[:-9]), "is no JSON"),
    "a folder": (lambda entry: (entry.unlink(), entry.mkdir()), "unreadable"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("version", [0, 2])
def test_a_damaged_entry_is_named_with_what_is_wrong(
    table: Path, damage: str, version: int
) -> None:
    assert log_faults(str(table)) == []
    harm, reason = DAMAGES[damage]
    harm(table / name(version))
    (fault,) = log_faults(str(table))
    assert fault.path == name(version) and reason in fault.reason


def test_entries_before_a_checkpoint_are_not_needed(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    for version in range(ENTRIES):
        (table / name(version)).write_bytes(b"")
    assert log_faults(str(table)) == []
    (checkpoint,) = (table / LOG).glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:20])
    (fault,) = log_faults(str(table))
    assert fault.path == f"{LOG}/{checkpoint.name}" and fault.reason.startswith("unreadable")


def test_where_there_is_no_log_nothing_is_damaged(tmp_path: Path) -> None:
    none: list[LogFault] = []
    assert log_faults(str(tmp_path)) == none
