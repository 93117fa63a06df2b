"""Looks after the lake's files while others read and write: few large files, no old ones.

Compaction keeps the rows of a commit together, sorted by asset, tag and time as they are, so that
readers can skip by time. What was measured against that: z-order made a table half as large again,
and its row groups still spanned all assets. A full sort by asset, tag and time (8.6 million
samples, 400 tags at 1 Hz) reads one tag seven times as fast, but ten minutes of all tags ten times
as slowly, and is three times as large, since equal times no longer lie together.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from penstock.errors import ConfigurationError, LakeError
from penstock.lake.tables import WRITER, is_local, open_tables, reason_of, uri_of
from penstock.units import format_duration

TARGET_SIZE: Final = 256 * 1024 * 1024
"""Bytes of a file after compaction."""
COMMIT_EVERY: Final = timedelta(minutes=1)
"""A compaction that is killed has lost no more work than this."""
KEEP: Final = timedelta(days=7)
LEAST_KEEP: Final = timedelta(hours=1)
"""A file younger than this may belong to a commit that is still to come."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compaction did to a table."""

    table: str
    files_before: int
    files_after: int
    rewritten: int
    """Files that were joined; they stay on the disk until a vacuum."""


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What was deleted of a table, or would be."""

    table: str
    files: list[str]


def compact(
    path: str, options: Mapping[str, str] | None = None, *, target_size: int = TARGET_SIZE
) -> list[Compacted]:
    """Join the small files of each partition; sinks and readers go on meanwhile.

    No row is changed, and none is lost: what is appended meanwhile stays as it is. Readers that
    opened the table before still find the old files.

    Args:
        path: Of the lake.
        options: Of the object store.
        target_size: Bytes of the files to make.

    Raises:
        LakeError: There is no lake, or it cannot be written now, or another compaction was faster.
            Nothing is lost.
    """
    done = []
    for name, table in open_tables(path, options).items():
        before = _files(table)
        with _told(path, name, "compacted"):
            metrics = table.optimize.compact(
                target_size=target_size, min_commit_interval=COMMIT_EVERY, writer_properties=WRITER
            )
        done.append(Compacted(name, before, _files(table), int(metrics["numFilesRemoved"])))
    return done


def vacuum(
    path: str,
    options: Mapping[str, str] | None = None,
    *,
    keep: timedelta = KEEP,
    dry_run: bool = False,
) -> list[Vacuumed]:
    """Delete files that the tables have not needed for a while, and those of broken-off commits.

    Args:
        path: Of the lake.
        options: Of the object store.
        keep: A reader that opened a table less than this ago goes on undisturbed.
        dry_run: Only say what would go.

    Raises:
        LakeError: There is no lake, or it cannot be written now.
        ConfigurationError: `keep` is too short to be safe beside writers.
    """
    if keep < LEAST_KEEP:
        msg = f"{format_duration(keep)} is too short: files of commits under way would be deleted"
        remedy = f"keep at least {format_duration(LEAST_KEEP)}"
        raise ConfigurationError(msg, where="--keep", remedy=remedy)
    done = []
    for name, table in open_tables(path, options).items():
        with _told(path, name, "vacuumed"):
            uri = uri_of(path, name)
            files = list(_broken_off(uri, keep, dry_run=dry_run))
            files += _vacuum(table, uri, keep, dry_run=dry_run)
        done.append(Vacuumed(name, sorted(files)))
    return done


def _files(table: DeltaTable) -> int:
    return len(table.file_uris())


def _vacuum(table: DeltaTable, uri: str, keep: timedelta, *, dry_run: bool) -> list[str]:
    """Have Delta delete old files; on a full disk delete one first, since Delta logs its begin."""

    def delta(*, dry_run: bool) -> list[str]:
        return table.vacuum(
            retention_hours=math.ceil(keep / timedelta(hours=1)),
            dry_run=dry_run,
            enforce_retention_duration=False,
            full=True,
        )

    try:
        return delta(dry_run=dry_run)
    except OSError as error:
        files = [Path(uri, name) for name in delta(dry_run=True)] if _is_full(error) else []
        there = [file for file in files if file.is_file()]
        if not there:
            raise
        largest = max(there, key=lambda file: file.stat().st_size)
        largest.unlink()
        return [str(largest.relative_to(uri)), *delta(dry_run=False)]


def _is_full(error: Exception) -> bool:
    return any(words in str(error) for words in ("No space left", "quota exceeded"))


def _broken_off(uri: str, keep: timedelta, *, dry_run: bool) -> Iterator[str]:
    """Files `<name>#<number>` that a write on a local disk did not finish; Delta overlooks them."""
    if not is_local(uri):
        return
    before = datetime.now().astimezone() - keep
    for file in Path(uri).rglob("*#[0-9]*"):
        try:
            if file.stat().st_mtime >= before.timestamp():
                continue
            if not dry_run:
                file.unlink()
        except FileNotFoundError:
            continue
        yield str(file.relative_to(uri))


@contextmanager
def _told(path: str, name: str, done: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as error:
        msg = f"the table was not {done}: {reason_of(error)}"
        remedy = "try again, with one such command at a time"
        if _is_full(error):
            remedy = "make room first: new files are written beside the old ones"
        elif "not found" in str(error).lower():
            remedy = "'penstock lake check' names the files that are missing"
        raise LakeError(msg, where=uri_of(path, name), remedy=remedy) from error
