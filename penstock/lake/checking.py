"""Finds files that the lake names and that are gone or broken, and what was in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from penstock.errors import LakeError
from penstock.lake.log import LOG, log_faults
from penstock.lake.tables import TABLES, open_table, open_tables, uri_of

_LINEAGE: Final = ("kafka_partition", "kafka_offset")


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file whose rows cannot be read, or a damaged entry of a table's log.

    The rows came from records with offsets in `offsets`, of partitions in `partitions`, both first
    and last; other files hold the rest of them. None where the log does not say.
    """

    table: str
    path: str
    reason: str
    rows: int | None = None
    partitions: tuple[int, int] | None = None
    offsets: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and what is not as it should be."""

    files: int
    lost: list[LostFile]
    table: DeltaTable | None = None
    """Of one table, the open one; None where its log does not let it be opened."""


def check(
    path: str,
    options: Mapping[str, str] | None = None,
    *,
    quick: bool = False,
    wanted: Iterable[str] = (),
) -> Checked:
    """Look at every table of the lake: its log, and each file of it.

    Args:
        path: Of the lake.
        options: Of the object store.
        quick: Look at each file's presence, size, footer and number of rows only; else each is
            read, and whatever does not decompress or decode is found.
        wanted: Tables that there must be.

    Raises:
        LakeError: There is no lake.
    """
    found = {name: check_table(path, name, options, quick=quick) for name in TABLES}
    if not any(found.values()):
        open_tables(path, options)  # says that there is no lake
    there = [one for one in found.values() if one is not None]
    gone = [LostFile(name, "", "there is no such table") for name in wanted if not found[name]]
    lost = [lost for one in there for lost in one.lost]
    return Checked(sum(one.files for one in there), lost + gone)


def check_table(
    path: str, name: str, options: Mapping[str, str] | None = None, *, quick: bool = False
) -> Checked | None:
    """Look at one table; None where there is none. Arguments as of `check`."""
    found, reason = dict(options or {}), ""
    try:
        table = open_table(path, name, found)
    except LakeError as error:
        table, reason = None, error.message
    if table is None and not reason:
        return None
    lost = [LostFile(name, one.path, one.reason) for one in log_faults(uri_of(path, name), found)]
    if table is None:
        return Checked(0, lost or [LostFile(name, LOG, reason)])
    files = _files(table)
    return Checked(len(files), [*lost, *_lost(name, table, files, found, quick=quick)], table)


def _files(table: DeltaTable) -> list[dict[str, Any]]:
    """What the log says of each file."""
    return list(pa.table(table.get_add_actions(flatten=True)).to_pylist())


def _lost(
    name: str,
    table: DeltaTable,
    added: Iterable[Mapping[str, Any]],
    options: dict[str, str],
    *,
    quick: bool,
) -> Iterator[LostFile]:
    files = fs.PyFileSystem(DeltaStorageHandler(table.table_uri, options))
    for one in added:
        path = unquote(one["path"])
        reason = _fault(files, path, one, quick=quick)
        if reason is not None:
            partitions, offsets = (_bounds(one, column) for column in _LINEAGE)
            yield LostFile(name, path, reason, one["num_records"], partitions, offsets)


def _fault(files: fs.FileSystem, path: str, added: Mapping[str, Any], *, quick: bool) -> str | None:
    try:
        info = files.get_file_info(path)
        if info.type is fs.FileType.NotFound:
            return "missing"
        if info.size != added["size_bytes"]:
            return f"{info.size} bytes instead of {added['size_bytes']}"
        with files.open_input_file(path) as file:
            rows = pq.read_metadata(file).num_rows if quick else _rows(pq.ParquetFile(file))
    except (OSError, pa.ArrowException) as error:
        return f"unreadable: {error}"
    if added["num_records"] not in (None, rows):
        return f"{rows} rows instead of {added['num_records']}"
    return None


def _rows(file: pq.ParquetFile) -> int:
    """How many rows can be read, each column of each group: no more than that is in memory."""
    rows = 0
    for group in range(file.num_row_groups):
        counts = {
            file.read_row_group(group, columns=[column], use_threads=False).num_rows
            for column in file.schema_arrow.names
        }
        rows += min(counts, default=0)
    return rows


def _bounds(added: Mapping[str, Any], column: str) -> tuple[int, int] | None:
    first, last = added.get(f"min.{column}"), added.get(f"max.{column}")
    return None if first is None or last is None else (int(first), int(last))
