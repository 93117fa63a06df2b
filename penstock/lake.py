"""Reads the lake: its tables as views of a DuckDB connection."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from penstock.errors import LakeError

TABLES: Final = ("samples", "windows")


def open_lake(path: str, options: Mapping[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in which each table of the lake is a view of its present state.

    Args:
        path: The folder or s3:// address that the parquet sink writes to.
        options: Of the object store.

    Raises:
        LakeError: There is no lake at the path, or it cannot be read.
    """
    connection = duckdb.connect()
    found = [name for name in TABLES if _register(connection, path, name, dict(options or {}))]
    if not found:
        msg = "there is no lake here yet"
        raise LakeError(msg, where=path, remedy="run the pipeline first, or name it with --lake")
    return connection


def query(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of a query.

    Raises:
        LakeError: DuckDB cannot run it; its own words are given.
    """
    try:
        answer = connection.execute(sql)
        names = [column[0] for column in answer.description or []]
        return names, answer.fetchall()
    except duckdb.Error as error:
        msg = f"the query cannot be run: {error}"
        raise LakeError(msg, remedy=f"tables: {', '.join(TABLES)}") from error


def _register(
    connection: duckdb.DuckDBPyConnection, path: str, name: str, options: dict[str, str]
) -> bool:
    uri = f"{path.rstrip('/')}/{name}"
    if "://" not in uri and not Path(uri, "_delta_log").is_dir():
        return False
    try:
        dataset = DeltaTable(uri, storage_options=options).to_pyarrow_dataset()
    except DeltaError as error:
        msg = f"the table cannot be read: {error}"
        raise LakeError(msg, where=uri) from error
    connection.register(name, dataset)
    return True
