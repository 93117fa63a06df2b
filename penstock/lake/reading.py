"""Reads the lake: its tables as views of a DuckDB connection.

| view | what it shows |
|---|---|
| `samples` | the table |
| `windows` | of each window the rows of its greatest version: what holds now |
| `window_revisions` | the table `windows`: one row per tag and revision, take-backs included |

A window that was published and turned out to have nothing in it is taken back by a revision of one
row whose `tag` is null: then `windows` shows nothing of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb
from pyarrow import fs

from penstock.errors import LakeError, QueryError
from penstock.lake.tables import is_local, open_tables, uri_of

VIEWS: Final = ("samples", "windows", "window_revisions")

_SLIPS: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
)
"""What DuckDB raises where the query is wrong, not the lake."""
_REGISTERED: Final = {"samples": "samples", "windows": "window_revisions"}
_LATEST: Final = """
create view windows as
select * from window_revisions
window
    of_window as (
        partition by site, date, asset, source, window_start, window_seconds
        order by version_epoch desc, version_offsets desc, version_emission desc),
    of_tag as (
        partition by site, date, asset, source, window_start, window_seconds, tag
        order by version_epoch desc, version_offsets desc, version_emission desc, kafka_offset)
qualify tag is not null and rank() over of_window = 1 and row_number() over of_tag = 1
"""
"""A processor may publish a result twice, with the same version: then the first one is shown."""


def open_lake(path: str, options: Mapping[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection with the lake's views, as the tables are now.

    Args:
        path: The folder or s3:// address that the parquet sink writes to.
        options: Of the object store.

    Raises:
        LakeError: There is no lake at the path, or it cannot be read.
    """
    connection = duckdb.connect()
    for name, table in open_tables(path, options).items():
        connection.register(
            _REGISTERED[name], table.to_pyarrow_dataset(filesystem=_files(uri_of(path, name)))
        )
        if name == "windows":
            connection.execute(_LATEST)
    return connection


def query(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of a query.

    Raises:
        QueryError: It is no SQL, or does not fit the tables; DuckDB's own words are given.
        LakeError: DuckDB cannot run it for another reason.
    """
    tables = f"tables: {', '.join(VIEWS)}"
    try:
        if not connection.extract_statements(sql):
            msg = "there is no query"
            raise QueryError(msg, remedy=f"write SQL; {tables}")
        answer = connection.execute(sql)
        names = [column[0] for column in answer.description or []]
        return names, answer.fetchall()
    except _SLIPS as error:
        msg = f"the query is wrong: {error}"
        raise QueryError(msg, remedy=tables) from error
    except (duckdb.Error, OSError) as error:
        msg = f"the query cannot be run: {error}"
        raise LakeError(
            msg, remedy=f"{tables}; `penstock lake check` finds missing files"
        ) from error


def _files(uri: str) -> fs.FileSystem | None:
    """Arrow's own access to local files.

    Delta's goes through Python; where a process ends while one of Arrow's threads is in there, the
    process is aborted (apache/arrow#39862).
    """
    if not is_local(uri):
        return None
    return fs.SubTreeFileSystem(str(Path(uri).absolute()), fs.LocalFileSystem())
