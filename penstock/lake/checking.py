"""Finds files that the lake's log names and that are gone or broken, and what was in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from penstock.lake.tables import open_tables

_LINEAGE: Final = ("kafka_partition", "kafka_offset")


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file whose rows cannot be read.

    The rows came from records with offsets in `offsets`, of partitions in `partitions`, both first
    and last; other files hold the rest of them. None where the log does not say.
    """

    table: str
    path: str
    reason: str
    rows: int | None
    partitions: tuple[int, int] | None
    offsets: tuple[int, int] | None


def check(path: str, options: Mapping[str, str] | None = None) -> list[LostFile]:
    """Look at every file of the lake: its presence, size, footer and number of rows.

    Raises:
        LakeError: There is no lake, or its log cannot be read.
    """
    return [
        lost
        for name, table in open_tables(path, options).items()
        for lost in _check_table(name, table, dict(options or {}))
    ]


def _check_table(name: str, table: DeltaTable, options: dict[str, str]) -> Iterator[LostFile]:
    files = fs.PyFileSystem(DeltaStorageHandler(table.table_uri, options))
    for added in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        path = unquote(added["path"])
        reason = _fault(files, path, added)
        if reason is not None:
            partitions, offsets = (_bounds(added, column) for column in _LINEAGE)
            yield LostFile(name, path, reason, added["num_records"], partitions, offsets)


def _fault(files: fs.FileSystem, path: str, added: Mapping[str, Any]) -> str | None:
    try:
        info = files.get_file_info(path)
        if info.type is fs.FileType.NotFound:
            return "missing"
        if info.size != added["size_bytes"]:
            return f"{info.size} bytes instead of {added['size_bytes']}"
        with files.open_input_file(path) as file:
            rows = pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"unreadable: {error}"
    if added["num_records"] not in (None, rows):
        return f"{rows} rows instead of {added['num_records']}"
    return None


def _bounds(added: Mapping[str, Any], column: str) -> tuple[int, int] | None:
    first, last = added.get(f"min.{column}"), added.get(f"max.{column}")
    return None if first is None or last is None else (int(first), int(last))
