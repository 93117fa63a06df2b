"""Appends to a Delta table: rows and the offsets that they came from, in one transaction.

Each commit is made from a state of the table that was looked at: it fails where somebody else has
moved one of its offsets since, because two transactions of the same application conflict in Delta.
So of two processes that believe they own a partition, one alone gets through.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import DeltaError

from penstock.errors import FencedError, LakeError, LakeSchemaError
from penstock.lake.positions import Position, Positions
from penstock.lake.tables import WRITER, is_local, reason_of, unreadable
from sinks.lake_rows import PARTITION_BY

Offsets = Mapping[int, int | None]
"""Of each Kafka partition the next offset; None where none is in the table."""

_LOOK: Final = "look at the disk or store; the sink tries again by itself"
_AGAIN: Final = "they wait, and are tried again"


class SourcedTable:
    """A table whose commits carry the offsets of one topic.

    Args:
        uri: Folder or address of the table.
        options: Of the object store.
        columns: What the rows have.
        positions: Of the topic, as the sink keeps them.
    """

    def __init__(
        self,
        uri: str,
        options: Mapping[str, str],
        columns: pa.Schema,
        positions: Positions,
    ) -> None:
        self._uri = uri
        self._options = dict(options)
        self._columns = columns
        self._positions = positions
        self._id = ""

    def position(self, partition: int) -> Position | None:
        """How far a partition is, by the table itself.

        Raises:
            LakeError: The table cannot be read now.
            LakeSchemaError: The table is not one for these rows.
        """
        try:
            return self._positions.read(self._created({}), partition)
        except (DeltaError, OSError) as error:
            raise unreadable(self._uri, self._options, error, remedy=_LOOK) from error

    @property
    def id(self) -> str:
        """Of the table as it was last opened; one that is made anew has another."""
        return self._id

    def append(
        self, rows: pa.Table, known: Offsets, done: Mapping[int, int], topic_id: str = ""
    ) -> bool:
        """Add rows, and move the offsets from `known` to `done`; all or nothing.

        Args:
            rows: What comes of the records between the offsets.
            known: The offsets as they were when we last looked.
            done: What they become.
            topic_id: Of the topic that they are of, to be kept with them.

        Returns:
            Whether this call did it; not where the table has these rows, by an earlier call that
            seemed to fail.

        Raises:
            LakeError: The table cannot be written now; nothing was added that a further try adds
                again.
            LakeSchemaError: The table is not one for these rows.
            FencedError: Somebody else has moved the offsets.
        """
        try:
            table = self._created(known)
            found = {partition: self._offset(table, partition) for partition in done}
            if found == done:
                return False
            if found != known:
                msg = f"another process has written: next offsets are {found}, not {dict(known)}"
                remedy = "give each sink a name of its own; scale one sink by its partitions"
                raise FencedError(msg, where=self._uri, remedy=remedy)
            self._commit(table, rows, done, topic_id)
        except (DeltaError, OSError) as error:
            msg = f"{rows.num_rows} rows cannot be written now: {reason_of(error)}"
            raise LakeError(msg, where=self._uri, remedy=_AGAIN) from error
        return True

    def _commit(
        self, table: DeltaTable, rows: pa.Table, done: Mapping[int, int], topic_id: str
    ) -> None:
        same = [field.name for field in table.schema().fields] == self._columns.names
        transactions = [
            one
            for partition, offset in done.items()
            for one in self._positions.write(partition, offset, topic_id)
        ]
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode=None if same else "merge",
            partition_by=PARTITION_BY,
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=transactions),
        )
        if is_local(self._uri):
            _make_durable(Path(self._uri), table.version())

    def _open(self) -> DeltaTable | None:
        """The table as it is now; None before the first commit."""
        if not DeltaTable.is_deltatable(self._uri, self._options):
            return None
        table = DeltaTable(self._uri, storage_options=self._options)
        self._check_types(table)
        return table

    def _created(self, known: Offsets) -> DeltaTable:
        """The table as it is now, made where there is none.

        Made by a commit of its own: a first commit that brings rows along does not see another's.
        """
        table = self._open()
        if table is None:
            if any(offset is not None for offset in known.values()):
                msg = "the table is gone"
                raise LakeError(msg, where=self._uri, remedy="bring it back, or restart")
            DeltaTable.create(
                self._uri,
                self._columns,
                mode="ignore",
                partition_by=PARTITION_BY,
                storage_options=self._options,
            )
            table = self._open()
        if table is None:
            msg = "the table was made, and is gone again"
            raise LakeError(msg, where=self._uri, remedy=_AGAIN)
        self._id = str(table.metadata().id)
        return table

    def _offset(self, table: DeltaTable, partition: int) -> int | None:
        found = self._positions.read(table, partition)
        return None if found is None else found.offset

    def _check_types(self, table: DeltaTable) -> None:
        """New columns come into the table by themselves; a type does not change.

        Delta itself would convert values, 1.5 to 1 for a column of whole numbers.
        """
        there = {field.name: field.type for field in table.schema().fields}
        for field in Schema.from_arrow(self._columns).fields:
            if there.get(field.name, field.type) != field.type:
                have, want = (kind.to_json().strip('"') for kind in (there[field.name], field.type))
                msg = f"column {field.name!r} is {have}, and {want} is to be written"
                remedy = "move the table away, or let the sink write to another path"
                raise LakeSchemaError(msg, where=self._uri, remedy=remedy)


def _make_durable(folder: Path, version: int) -> None:
    """Have a commit on the disk, not only in the memory of the operating system."""
    log = folder / "_delta_log" / f"{version:020}.json"
    added = (json.loads(line).get("add") for line in log.read_bytes().splitlines())
    files = [folder / unquote(action["path"]) for action in added if action]
    for path in [*files, *{file.parent for file in files}, log, log.parent]:
        with suppress(FileNotFoundError):  # compacted and vacuumed meanwhile
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
