"""Where the lake's tables are, and how their files are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError

from penstock.errors import LakeError
from penstock.lake.log import log_faults

TABLES: Final = ("samples", "windows", "kpis", "alerts")

ROW_GROUP: Final = 122_880
"""Rows; DuckDB's own vector group, so that it can skip and read in parallel."""
WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP)

_WORDS: Final = 300
"""Characters of an error of Delta's that are shown."""
RESTORE: Final = (
    "restore it from a backup, or let the sink write the table anew from Kafka: "
    "'A damaged table' in docs/how-to/read-the-lake.md"
)
"""What to do where a table's log is damaged."""
_TRY_AGAIN: Final = "look at the disk or store, and try again"


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
        raise unreadable(uri, found, error) from error


def unreadable(
    uri: str, options: Mapping[str, str], error: Exception, *, remedy: str = _TRY_AGAIN
) -> LakeError:
    """Why a table cannot be opened: the entries of its log that are damaged, where it is them.

    Args:
        uri: Of the table.
        options: Of the object store.
        error: What opening it gave.
        remedy: What to do where it is not its log.
    """
    if faults := log_faults(uri, options):
        found = ", ".join(f"{fault.path} ({fault.reason})" for fault in faults)
        return LakeError(f"the table's log is damaged: {found}", where=uri, remedy=RESTORE)
    msg = f"the table cannot be read now: {reason_of(error)}"
    return LakeError(msg, where=uri, remedy=remedy)


def reason_of(error: Exception) -> str:
    """Delta's own words, without the stack of its native code."""
    text = str(error).partition("\n   0: ")[0]
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}…"


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
