"""A lake sink as a process of its own, fed with numbered events as Kafka would feed it.

Arguments: a JSON object; see `Arguments`. Ends when its partitions are in the lake.
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from penstock import logs
from penstock.errors import PenstockError
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.sink import SinkRecord
from penstock.units import parse_duration
from schemas import SensorEvent
from sinks.parquet import ParquetSettings, ParquetSink

START = 1_700_000_000_000_000
DAY = 86_400_000_000


@dataclass(frozen=True)
class Arguments:
    """What a worker does."""

    lake: str
    partitions: list[int]
    records: int
    """Of each partition."""
    batch: int = 5
    """Records of each partition in a commit."""
    samples: int = 20
    """Of each record."""
    name: str = "lake"
    options: dict[str, str] = field(default_factory=dict)
    """Of the object store."""

    def command(self) -> list[str]:
        """How to start it."""
        return [sys.executable, __file__, json.dumps(asdict(self))]


def plant() -> Plant:
    """Of the site that the events come from."""
    size = WindowSize(reopen_for=parse_duration("1 min"))
    return Plant(site=Site(path="acme/bremen"), windows=Windows(sizes={"5 s": size}))


def new_sink(
    folder: Path | str, name: str = "lake", options: dict[str, str] | None = None
) -> ParquetSink:
    """A sink that commits at every flush."""
    settings = ParquetSettings(type="parquet", path=str(folder), roll="0 s", options=options or {})
    return ParquetSink(name, settings, plant())


def record(partition: int, offset: int, samples: int = 20) -> SinkRecord:
    """The record at an offset: its samples lie on two days and are numbered over the partition."""
    number = np.arange(offset * samples, (offset + 1) * samples, dtype=np.float64)
    event = SensorEvent(
        asset=f"acme/bremen/stamping/line1/press{partition:02}", source="plc", session="s",
        sequence=offset, start=START + offset % 2 * DAY, ingest=START, tags=("count",),
        counts=np.array([samples]), offsets=number, server_offsets=np.empty(0), values=number,
        texts=(), kinds=np.empty(0, np.int32), quality=np.zeros(1, np.int32),
    )  # fmt: skip
    return SinkRecord(SENSORS.name, partition, offset, 0, None, event)


def work(arguments: Arguments) -> None:
    """Go on where the table says, until all is there."""
    sink = new_sink(arguments.lake, arguments.name, arguments.options)
    at = {p: sink.open(SENSORS.name, p) or 0 for p in arguments.partitions}
    while min(at.values()) < arguments.records:
        records = []
        for partition, offset in at.items():
            end = min(offset + arguments.batch, arguments.records)
            records += [record(partition, n, arguments.samples) for n in range(offset, end)]
            at[partition] = end
        sink.write(records)
        while True:
            try:
                sink.flush(force=True)
                break
            except PenstockError as error:
                if not error.transient:
                    raise


if __name__ == "__main__":
    logs.configure("lake-worker")
    work(Arguments(**json.loads(sys.argv[1])))
