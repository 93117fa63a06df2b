"""Reads the lake: its tables as views of a DuckDB connection.

| view | what it shows |
|---|---|
| `samples` | the table |
| `windows` | of each window the rows of its greatest version: what holds now |
| `window_revisions` | the table `windows`: one row per tag and revision, take-backs included |
| `kpis` | of each window the figures of its greatest version, one row per figure |
| `kpi_revisions` | the table `kpis`: one row per figure and revision |
| `alerts` | each alert as it stands |
| `alert_revisions` | the table `alerts`: one row per state |

A window that was published and turned out to have nothing in it is taken back by a revision of one
row whose `tag` is null: then `windows` shows nothing of it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb
from pyarrow import fs

from penstock.errors import LakeError, QueryError
from penstock.lake.tables import is_local, open_tables, uri_of

VIEWS: Final = (
    "samples",
    "windows",
    "window_revisions",
    "kpis",
    "kpi_revisions",
    "alerts",
    "alert_revisions",
)

_SLIPS: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
)
"""What DuckDB raises where the query is wrong, not the lake."""
REGISTERED: Final = {
    "samples": "samples",
    "windows": "window_revisions",
    "kpis": "kpi_revisions",
    "alerts": "alert_revisions",
}
"""Of each table the view that shows all its rows."""
_VERSION: Final = "version_epoch desc, version_offsets desc, version_emission desc"


def _latest(name: str, whole: str, part: str, *, where: str = "true") -> str:
    """The view of the rows that hold now.

    A processor may publish a result twice, with the same version: then the first one is shown.

    Args:
        name: Of the view; all rows are those of `REGISTERED`.
        whole: Columns that say what a result is of: those of its greatest version are shown.
        part: The column that tells the rows of a result apart.
        where: Which rows are shown of these.
    """
    return f"""
create or replace view {name} as
select * from {REGISTERED[name]}
window
    of_whole as (partition by {whole} order by {_VERSION}),
    of_part as (partition by {whole}, {part} order by {_VERSION}, kafka_offset)
qualify {where} and rank() over of_whole = 1 and row_number() over of_part = 1
"""


LATEST: Final = {
    "windows": _latest(
        "windows",
        "site, date, asset, source, window_start, window_seconds",
        "tag",
        where="tag is not null",
    ),
    "kpis": _latest("kpis", "id", "kpi", where="kpi is not null"),
    "alerts": _latest("alerts", "id", "id"),
}
"""Of each table with revisions the view of the rows that hold now."""


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
            REGISTERED[name], table.to_pyarrow_dataset(filesystem=_files(uri_of(path, name)))
        )
        if name in LATEST:
            connection.execute(LATEST[name])
    return connection


def query(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of a query.

    Raises:
        QueryError: It is no SQL, or does not fit the tables; DuckDB's own words are given.
        LakeError: It names a table that the sink has yet to write, or DuckDB cannot run it.
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
        if isinstance(error, duckdb.CatalogException) and (table := _to_come(connection, sql)):
            msg = f"the lake has no {table} yet"
            remedy = "the sink writes them with the first records: wait a moment, or see its log"
            raise LakeError(msg, remedy=remedy) from error
        msg = f"the query is wrong: {error}"
        raise QueryError(msg, remedy=tables) from error
    except (duckdb.Error, OSError) as error:
        msg = f"the query cannot be run: {error}"
        raise LakeError(
            msg, remedy=f"{tables}; `penstock lake check` finds missing and broken files"
        ) from error


def _to_come(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """A table that a query names and that the lake will have, but has not."""
    there = {row[0] for row in connection.execute("show tables").fetchall()}
    named = set(re.findall(r"\w+", sql))
    return next((name for name in VIEWS if name in named - there), None)


def _files(uri: str) -> fs.FileSystem | None:
    """Arrow's own access to local files.

    Delta's goes through Python; where a process ends while one of Arrow's threads is in there, the
    process is aborted (apache/arrow#39862).
    """
    if not is_local(uri):
        return None
    return fs.SubTreeFileSystem(str(Path(uri).absolute()), fs.LocalFileSystem())
