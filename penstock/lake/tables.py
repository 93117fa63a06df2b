"""Where the lake's tables are, and how their files are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError

from penstock.errors import LakeError

TABLES: Final = ("samples", "windows", "kpis", "alerts")

ROW_GROUP: Final = 122_880
"""Rows; DuckDB's own vector group, so that it can skip and read in parallel."""
WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP)


def uri_of(path: str, name: str) -> str:
    """The address of one of the lake's tables."""
    return f"{path.rstrip('/')}/{name}"


def is_local(uri: str) -> bool:
    """Whether it is a folder, not an address of an object store."""
    return "://" not in uri


def open_table(path: str, name: str, options: Mapping[str, str] | None) -> DeltaTable | None:
    """A table of the lake as it is now; None where there is none.

    Raises:
        LakeError: It cannot be read.
    """
    uri = uri_of(path, name)
    if is_local(uri) and not Path(uri, "_delta_log").is_dir():
        return None
    found = dict(options or {})
    try:
        if not DeltaTable.is_deltatable(uri, found):
            return None
        return DeltaTable(uri, storage_options=found)
    except (DeltaError, OSError) as error:
        msg = f"the table cannot be read: {error}"
        raise LakeError(msg, where=uri) from error


def open_tables(path: str, options: Mapping[str, str] | None = None) -> dict[str, DeltaTable]:
    """All tables of the lake by name.

    Raises:
        LakeError: There is no lake at the path, or it cannot be read.
    """
    found = {name: open_table(path, name, options) for name in TABLES}
    tables = {name: table for name, table in found.items() if table is not None}
    if not tables:
        msg = "there is no lake here yet"
        raise LakeError(msg, where=path, remedy="run the pipeline first, or name it with --lake")
    return tables
