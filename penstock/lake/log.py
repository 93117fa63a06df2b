"""A table's log of transactions: which of its entries are damaged.

Delta reads a log from its newest checkpoint on, or from entry 0. An entry that is gone between two
others, or is no JSON, keeps the table from being opened; one that was emptied does not, and its
files and offsets are silently no longer part of the table. Newest entries that are gone leave no
trace in the log itself: `penstock.audit` misses them, by what the sink has committed to Kafka.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

LOG: Final = "_delta_log"
_NAME: Final = re.compile(r"(\d{20})\.(json|checkpoint.*\.parquet)")


@dataclass(frozen=True, slots=True)
class LogFault:
    """An entry of the log that the table needs and that cannot be used."""

    path: str
    """Below the table's folder."""
    reason: str


def log_faults(uri: str, options: Mapping[str, str] | None = None) -> list[LogFault]:
    """The damaged entries, in order; none where there is no log, or where the store is away.

    Args:
        uri: Of a table that is there.
        options: Of the object store.
    """
    try:
        files = fs.PyFileSystem(DeltaStorageHandler(uri, dict(options or {})))
    except (DeltaError, OSError):
        return []
    entries: dict[int, str] = {}
    checkpoints: dict[int, list[str]] = {}
    for info in _listed(files):
        if found := _NAME.fullmatch(info.base_name):
            version = int(found[1])
            if found[2] == "json":
                entries[version] = info.path
            else:
                checkpoints.setdefault(version, []).append(info.path)
    newest = max(checkpoints, default=-1)
    faults = [
        LogFault(path, reason)
        for path in sorted(checkpoints.get(newest, ()))
        if (reason := _checkpoint_fault(files, path)) is not None
    ]
    for version in range(newest + 1, max(entries, default=-1) + 1):
        path = entries.get(version)
        reason = "missing" if path is None else _entry_fault(files, path)
        if reason is not None:
            faults.append(LogFault(path or f"{LOG}/{version:020}.json", reason))
    return faults


def _listed(files: fs.FileSystem) -> list[fs.FileInfo]:
    try:
        return list(files.get_file_info(fs.FileSelector(LOG, allow_not_found=True)))
    except OSError:
        return []


def _entry_fault(files: fs.FileSystem, path: str) -> str | None:
    try:
        with files.open_input_stream(path) as stream:
            lines = stream.read().splitlines()
    except OSError as error:
        return f"unreadable: {error}"
    if not lines:
        return "empty"
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError:
            return f"line {number} is no JSON"
    return None


def _checkpoint_fault(files: fs.FileSystem, path: str) -> str | None:
    try:
        with files.open_input_file(path) as file:
            pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        return f"unreadable: {error}"
    return None
