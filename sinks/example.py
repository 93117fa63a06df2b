"""A sink to copy: window results as lines of JSON, one file per Kafka partition.

    sinks:
      file: {type: example, folder: ./windows}

Copy it, change what `write` and `flush` do, and name it under `penstock.sinks` in your package's
entry points. What to keep: the offset goes out *with* the records (here it is in every line), so
that after a crash `open` finds where to go on, and a line cut off by the crash is written again.
With the offset goes the topic's id: offsets of a topic that was created anew are others.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from penstock.kafka.topic_ids import refuse_another
from penstock.kafka.topics import FEATURES
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord, SinkSettings


class ExampleSettings(SinkSettings):
    """Where the files go."""

    folder: Path = Field(description="Folder of the files.")


class ExampleSink(Sink):
    """Appends WindowStatistics to files."""

    Settings = ExampleSettings
    settings: ExampleSettings

    def __init__(self, name: str, settings: ExampleSettings, plant: Plant, **more: Any) -> None:
        super().__init__(name, settings, plant, **more)
        self._pending: dict[int, list[SinkRecord]] = {}
        self._lines = 0

    @property
    def topics(self) -> Sequence[str]:
        """WindowStatistics."""
        return [FEATURES.name]

    @property
    def counters(self) -> dict[str, float]:
        """Lines written by this process."""
        return {"rows": float(self._lines)}

    def open(self, topic: str, partition: int) -> int | None:
        """The offset after the last whole line; what was cut off behind it is removed.

        Raises:
            TopicError: The lines are of another topic.
        """
        self.close(topic, partition)
        file = self._file(partition)
        if not file.exists():
            return None
        whole = [line for line in file.read_bytes().splitlines(keepends=True) if b"\n" in line]
        os.truncate(file, sum(map(len, whole)))
        if not whole:
            return None
        last = json.loads(whole[-1])
        offset, known = int(last["offset"]) + 1, last.get("topic_id")
        now = self.topic_ids.get(topic)
        refuse_another((topic, partition), offset, known=known, now=now)
        return offset

    def close(self, topic: str, partition: int) -> None:
        """Forget what was not written."""
        del topic
        self._pending.pop(partition, None)

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Keep records until the next flush."""
        for record in records:
            self._pending.setdefault(record.partition, []).append(record)

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Append what waits, and have it on the disk before saying so."""
        del force
        done = {}
        for partition, records in self._pending.items():
            self.settings.folder.mkdir(parents=True, exist_ok=True)
            with self._file(partition).open("a", encoding="utf-8") as file:
                for record in records:
                    place = {"offset": record.offset, "topic_id": self.topic_ids.get(record.topic)}
                    file.write(json.dumps({**place, **record.value}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._lines += len(records)
            done[FEATURES.name, partition] = records[-1].offset + 1
        self._pending.clear()
        return done

    def _file(self, partition: int) -> Path:
        return self.settings.folder / f"{FEATURES.name}-{partition}.jsonl"
