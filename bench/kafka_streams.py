"""Kafka Streams on Java, tuned: stores logged and cached, lz4, two threads, 1 s commits."""

import struct
from collections.abc import Iterable
from typing import Final, Literal

import numpy as np

from bench import jars
from bench.cluster import Row
from bench.results import Result
from bench.system import Running, System, Task
from penstock.local import java

_HEAD: Final = struct.Struct("<qHxx")
_CELL: Final = np.dtype(
    [("count", "<i8"), ("sum", "<f8"), ("squares", "<f8"), ("minimum", "<f8"), ("maximum", "<f8")]
)
FLAGS: Final = (
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseParallelGC",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class KafkaStreams(System):
    """`java/WindowedMoments.java`.

    Args:
        store: In-memory or RocksDB; either with a changelog.
        entries: What has an entry of the store per window: each tag, or an asset with all its tags.
        guarantee: Streams' `processing.guarantee`.
    """

    version = jars.KAFKA

    def __init__(
        self,
        store: Literal["memory", "rocksdb"] = "memory",
        entries: Literal["asset", "tag"] = "tag",
        guarantee: Literal["at_least_once", "exactly_once_v2"] = "at_least_once",
    ) -> None:
        self._store, self._entries, self._guarantee = store, entries, guarantee
        shown = {"memory": "in-memory", "rocksdb": "RocksDB"}[store]
        exactly = ", exactly once" if guarantee == "exactly_once_v2" else ""
        self.name = f"Kafka Streams ({shown}, entry per {entries}{exactly})"

    def start(self, task: Task) -> Running:
        """One JVM with two stream threads."""
        state = task.folder / "streams"
        arguments = [task.cluster.kafka.bootstrap, task.name, task.reads, task.writes]
        arguments += [self._store, self._entries, str(state), self._guarantee]
        command = [java.java(), *FLAGS, f"-Djava.io.tmpdir={task.folder}"]
        command += ["-cp", jars.class_path(), "WindowedMoments", *arguments]
        return Running([command], task.folder / "log", java.environment())

    def read(self, row: Row) -> Iterable[Result]:
        """Start, number of tags, cells, names."""
        start, number = _HEAD.unpack_from(row.value)
        cells = np.frombuffer(row.value, _CELL, number, _HEAD.size)
        names = row.value[_HEAD.size + cells.nbytes :].decode().split("\n")[:-1]
        yield Result(
            row.key.decode(), start, tuple(names), *(cells[name] for name in _CELL.names or ())
        )
