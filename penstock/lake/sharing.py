"""A DuckDB file whose views show the lake's tables, for tools that read DuckDB and know no Delta.

DuckDB's own reader of Delta tables is an extension that is downloaded; the views here do without.
Each looks into the table's log, whenever it is asked, for the files that belong to the table now,
and reads those alone: rows that a compaction replaced, or a broken-off commit left, are not there
twice. The log's last checkpoint is part of the answer, so one is written first.
"""

from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from penstock.errors import LakeError
from penstock.lake.reading import LATEST, REGISTERED
from penstock.lake.tables import TABLES, is_local, open_tables, uri_of

STORAGE_VERSION: Final = "v1.0.0"
"""Of the file: every DuckDB from 1.0 on opens it."""
_ACTION: Final = "struct(path varchar)"


def init_views(path: str, file: Path) -> tuple[list[str], list[str]]:
    """Make the file, or renew its views.

    Args:
        path: Folder of the lake.
        file: The DuckDB file.

    Returns:
        The views that it has now, and the tables that the lake does not have yet.

    Raises:
        LakeError: There is no lake, it is not a local folder, or the file cannot be written.
    """
    if not is_local(path):
        msg = "views of a file are of a lake in a local folder"
        remedy = "read an object store with DuckDB's delta extension: delta_scan('s3://…')"
        raise LakeError(msg, where=path, remedy=remedy)
    tables, views = open_tables(path), []
    try:
        with duckdb.connect() as connection:
            target = str(file).replace("'", "''")
            connection.execute(f"attach '{target}' as lake (storage_version '{STORAGE_VERSION}')")
            connection.execute("use lake")
            for name, table in tables.items():
                _make_checkpoint(table)
                connection.execute(_current_rows(Path(uri_of(path, name)).absolute(), name))
                views.append(REGISTERED[name])
                if name in LATEST:
                    connection.execute(LATEST[name])
                    views.append(name)
    except (duckdb.Error, DeltaError, OSError) as error:
        msg = f"the views cannot be made: {error}"
        remedy = "name a file that is writable and not open elsewhere"
        raise LakeError(msg, where=str(file), remedy=remedy) from error
    return views, [name for name in TABLES if name not in tables]


def _make_checkpoint(table: DeltaTable) -> None:
    if not list(Path(table.table_uri.removeprefix("file://"), "_delta_log").glob("*.checkpoint*")):
        table.create_checkpoint()


def _current_rows(folder: Path, name: str) -> str:
    """The view of all rows of a table, as its log says when it is asked."""
    root = str(folder).replace("'", "''")
    log = f"{root}/_delta_log"
    return f"""
create or replace view {REGISTERED[name]} as
with checkpoints as (
    select add.path as added, remove.path as removed, filename
    from read_parquet('{log}/*.checkpoint*.parquet', filename = true, union_by_name = true)
), commits as (
    select add.path as added, remove.path as removed
    from read_json('{log}/*.json', format = 'newline_delimited',
        columns = {{add: '{_ACTION}', remove: '{_ACTION}'}})
), actions as (
    select added, removed from checkpoints
    where left(parse_filename(filename), 20) = (
        select max(left(parse_filename(filename), 20)) from checkpoints)
    union all select added, removed from commits
)
select * exclude (filename) from read_parquet('{root}/site=*/date=*/*.parquet',
    filename = true, union_by_name = true, hive_partitioning = true,
    hive_types = {{site: varchar, date: date}})
where filename in (
    select '{root}/' || url_decode(added) from actions where added is not null
    except
    select '{root}/' || url_decode(removed) from actions where removed is not null)
"""
