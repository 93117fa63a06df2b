"""The lake: Delta tables of Parquet files, with the source's offsets in the same transaction.

    sinks:
      lake: {type: parquet, path: ./lake, roll: 1 min}

Every `roll`, what has come goes out as one commit per table, partitioned by site and date of
event time, sorted by asset, tag and time so that readers can skip, compressed with zstd. The commit
also carries the next offset of each Kafka partition (Delta's `txn` action), so that after a crash
reading goes on exactly there: a row is in the lake once. A process that was frozen while another
took its partitions over finds other offsets than its own there, and writes nothing.

Tables: `samples`, one row per sample; `windows`, one row per tag and revision of a window, where a
revision that takes its window back is one row whose tag is null; `kpis`, one row per figure and
revision; `alerts`, one row per state of an alert. A table of an older release gets
the columns it lacks, null in its rows so far; a sink of an older release leaves null what it does
not know. A column of another type is refused (PEN-501). While there is no room on the disk, records
wait in Kafka.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import structlog
from pydantic import Field, SecretStr

from penstock.errors import DecodeError
from penstock.kafka.topic_ids import refuse_another
from penstock.kafka.topics import RETRIES, retries
from penstock.lake.positions import Positions, number_of
from penstock.lake.tables import uri_of
from penstock.settings.paths import Location
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord, SinkSettings
from penstock.units import Duration, parse_duration
from sinks.lake_rows import PARTITION_BY, TABLES
from sinks.lake_table import SourcedTable

_TOPICS: Final = [*TABLES, *(retries(topic).name for topic in TABLES)]
MOST_ROWS: Final = 2_000_000
"""Waiting rows that are written before the roll is due."""


class ParquetSettings(SinkSettings):
    """A lake on a local folder or an object store."""

    path: Location = Field(description="Folder, or s3://bucket/prefix.")
    roll: Duration = Field(parse_duration("1 min"), description="Time between two commits.")
    options: dict[str, SecretStr] = Field(
        default_factory=dict, description="Of the object store, as AWS_ENDPOINT_URL."
    )


class ParquetSink(Sink):
    """Writes samples, windows, KPIs and alerts to the lake, each exactly once."""

    Settings = ParquetSettings
    settings: ParquetSettings
    retries = True

    def __init__(
        self,
        name: str,
        settings: ParquetSettings,
        plant: Plant,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        **more: Any,
    ) -> None:
        super().__init__(name, settings, plant, **more)
        self._monotonic = monotonic
        self._rolled = monotonic()
        self._tables = {topic: self._table(topic) for topic in _TOPICS}
        self._pending: dict[str, dict[int, list[_Rows]]] = {topic: {} for topic in _TOPICS}
        self._committed: dict[str, dict[int, int | None]] = {topic: {} for topic in _TOPICS}
        """The next offset of each partition, as the table had it when we last looked."""
        self._untold: dict[tuple[str, int], int] = {}
        """Next offsets of what is in the lake, which `flush` has yet to give."""
        self._counters = {"rows": 0.0, "files": 0.0, "commits": 0.0}
        self._log = structlog.get_logger().bind(sink=name)

    @property
    def topics(self) -> Sequence[str]:
        """All topics that have a table."""
        return list(TABLES)

    def epoch(self, topic: str) -> str:
        """The id of the topic's table."""
        return self._tables[topic].id

    @property
    def counters(self) -> dict[str, float]:
        """Rows and files added, and commits made, by this process."""
        return self._counters

    def open(self, topic: str, partition: int) -> int | None:
        """The offset that the table itself says is next.

        Raises:
            LakeError: The lake cannot be read now.
            TopicError: What the table has is of another topic.
        """
        self.close(topic, partition)
        found = self._tables[topic].position(partition)
        if found and (topic_id := self.topic_ids.get(topic)):
            place, now = (topic, partition), number_of(topic_id)
            refuse_another(place, found.offset, known=found.topic, now=now)
        self._committed[topic][partition] = found.offset if found else None
        return self._committed[topic][partition]

    def close(self, topic: str, partition: int) -> None:
        """Forget what of the partition is not in the lake."""
        self._pending[topic].pop(partition, None)
        self._committed[topic].pop(partition, None)
        self._untold.pop((topic, partition), None)

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Keep the records' rows until the next roll."""
        by_partition: dict[tuple[str, int], list[SinkRecord]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)
        waiting = {
            key: _Rows(_rows(key[0], part), part[-1].offset + 1)
            for key, part in by_partition.items()
        }
        for (topic, partition), rows in waiting.items():
            self._pending[topic].setdefault(partition, []).append(rows)

    def skip(self, topic: str, partition: int, offset: int) -> None:
        """Keep the offset until the next roll."""
        nothing = TABLES[_source(topic)].columns.empty_table()
        self._pending[topic].setdefault(partition, []).append(_Rows(nothing, offset + 1))

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Commit what waits, when the roll is due.

        Raises:
            LakeError: The lake cannot be written now; nothing is lost, it is tried again.
            FencedError: Another process has written a partition that was ours.
        """
        due = self._monotonic() - self._rolled >= self.settings.roll.total_seconds()
        if not (due or force or self._waiting() >= MOST_ROWS):
            return {}
        self._rolled = self._monotonic()
        for topic in _TOPICS:
            self._untold |= self._commit(topic)
        done, self._untold = self._untold, {}
        return done

    def _commit(self, topic: str) -> dict[tuple[str, int], int]:
        pending = self._pending[topic]
        if not pending:
            return {}
        tables = [rows.table for part in pending.values() for rows in part]
        rows = pa.concat_tables(tables).sort_by(TABLES[_source(topic)].sort)
        done = {
            partition: max(rows.next_offset for rows in part) for partition, part in pending.items()
        }
        known = {partition: self._committed[topic].get(partition) for partition in done}
        if self._tables[topic].append(rows, known, done, self.topic_ids.get(topic, "")):
            self._count(rows)
        pending.clear()
        self._committed[topic] |= done
        return {(topic, partition): offset for partition, offset in done.items()}

    def _table(self, topic: str) -> SourcedTable:
        options = {key: value.get_secret_value() for key, value in self.settings.options.items()}
        table = TABLES[_source(topic)]
        return SourcedTable(
            uri_of(self.settings.path, table.name),
            options,
            table.columns,
            Positions(self.plant.environment, self.name, topic),
        )

    def _waiting(self) -> int:
        return sum(
            rows.table.num_rows
            for pending in self._pending.values()
            for part in pending.values()
            for rows in part
        )

    def _count(self, rows: pa.Table) -> None:
        files = rows.select(PARTITION_BY).group_by(PARTITION_BY).aggregate([]).num_rows
        self._counters["rows"] += rows.num_rows
        self._counters["files"] += files
        self._counters["commits"] += 1
        self._log.info("committed", rows=rows.num_rows, files=files)


class _Rows:
    """Rows of consecutive records of one partition."""

    __slots__ = ("next_offset", "table")

    def __init__(self, table: pa.Table, next_offset: int) -> None:
        self.table = table
        self.next_offset = next_offset


def _source(topic: str) -> str:
    """The topic whose dead letters, or records, a topic holds."""
    return topic.removesuffix(RETRIES)


def _as_first_read(record: SinkRecord) -> SinkRecord:
    """A dead letter that is taken again as the record that it was: rows name its place."""
    origin = record.origin
    if origin is None:
        return record
    return replace(record, topic=origin.topic, partition=origin.partition, offset=origin.offset)


def _rows(topic: str, records: Sequence[SinkRecord]) -> pa.Table:
    try:
        return TABLES[_source(topic)].rows([_as_first_read(record) for record in records])
    except (ValueError, OverflowError, KeyError, TypeError) as error:
        first = records[0]
        msg = f"no rows can be made of {len(records)} records: {error}"
        where = f"{topic}/{first.partition}@{first.offset}"
        raise DecodeError(msg, where=where) from error
