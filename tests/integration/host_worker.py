"""A worker of the stream host as a process of its own, with an operator that only adds up.

Arguments: a JSON object with `name`, `bootstrap`, `registry`, `partitions`, `data`, `port`; more in
`Arguments`.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penstock import logs
from penstock.health import HealthServer, Status
from penstock.operator import Books, LateSamples, Operator, Output, Result, SampleBatch
from penstock.processor import Processor
from penstock.settings.plant import (
    KafkaSettings,
    Plant,
    RegistrySettings,
    Site,
    Windows,
    WindowSize,
)
from penstock.units import parse_duration
from schemas import Version

POISON = -1.0
"""A value that makes the operator raise."""
LATE = -2.0
"""A value that the operator calls late."""


@dataclass
class Total:
    count: int = 0
    sum: float = 0.0
    squares: float = 0.0


class Sums(Operator):
    """Count, sum and sum of squares of each series, published whenever they change."""

    def __init__(self, fingerprint: str = "sums-1") -> None:
        self.books = Books()
        self._fingerprint = fingerprint
        self._totals: dict[str, Total] = {}
        self._changed: set[str] = set()
        self._marks: dict[tuple[str, str], int] = {}

    def update(self, batch: SampleBatch) -> Output:
        if (batch.value == POISON).any():
            msg = "a value makes no sense"
            raise ValueError(msg)
        late = batch.value == LATE
        kept = batch.good & ~late
        self.books.samples_in += len(batch)
        self.books.aggregated += int(kept.sum())
        self.books.late += int(late.sum())
        self.books.bad += int((~batch.good & ~late).sum())
        results = []
        for series in np.unique(batch.series[kept]):
            name = "|".join(batch.series_names[series])
            values = batch.value[kept & (batch.series == series)]
            total = self._totals.setdefault(name, Total())
            total.count += len(values)
            total.sum += float(values.sum())
            total.squares += float((values * values).sum())
            self._changed.add(name)
            results.append(
                Result(name.split("|")[0], (name, total.count, total.sum, total.squares))
            )
        for stream in np.unique(batch.stream):
            mark = batch.time[batch.stream[batch.record] == stream]
            self._marks[batch.streams[stream]] = int(mark.max(initial=0))
        return Output(results, [LateSamples(late, "too late")] if late.any() else [])

    def advance(self, time: int) -> Output:
        return Output()

    def changes(self) -> Mapping[str, bytes | None]:
        changed, self._changed = self._changed, set()
        return {name: json.dumps(vars(self._totals[name])).encode() for name in changed}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        self._totals = {name: Total(**json.loads(row)) for name, row in rows.items()}

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        return self._marks


class SumsProcessor(Processor):
    """Sums, published as WindowStatistics: `mean` is the sum, `standard_deviation` of squares."""

    record = "WindowStatistics"

    def __init__(self, plant: Plant, name: str, fingerprint: str = "sums-1") -> None:
        super().__init__(plant)
        self._fingerprint = fingerprint
        self.name = name  # type: ignore[misc]  # of the test, not of the class
        self.reads = f"ot.{name}.v1"  # type: ignore[misc]
        self.writes = f"ot.{name}-sums.v1"  # type: ignore[misc]

    def operator(self) -> Operator:
        return Sums(self._fingerprint)

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        name, count, total, squares = result.record
        asset, source, tag = name.split("|")
        nothing = ("time_weighted_mean", "minimum", "maximum", "first", "last", "coverage")
        return {
            "asset": asset,
            "source": source,
            "window_start": 0,
            "window_size": 1,
            "watermark": 0,
            "revision": 1,
            "version": {
                "epoch": version.epoch,
                "offsets": list(version.offsets),
                "emission": version.emission,
            },
            "tags": [tag],
            "count": [count],
            "bad": [0],
            "late": [0],
            "mean": [total],
            "standard_deviation": [squares],
            **{field: [float("nan")] for field in nothing},
        }


@dataclass(frozen=True)
class Arguments:
    """What a test tells the worker."""

    name: str
    bootstrap: str
    registry: str
    partitions: int
    folder: str
    fingerprint: str = "sums-1"
    host: dict[str, float] = field(default_factory=dict)

    def plant(self) -> Plant:
        """A plant without sources."""
        return Plant(
            environment="test",
            site=Site(path="acme/hall"),
            windows=Windows(
                sizes={parse_duration("10 s"): WindowSize(reopen_for=parse_duration("1 min"))}
            ),
            kafka=KafkaSettings(bootstrap=self.bootstrap, partitions=self.partitions),
            registry=RegistrySettings(url=self.registry),
        )

    def processor(self) -> SumsProcessor:
        """The processor under test."""
        return SumsProcessor(self.plant(), self.name, self.fingerprint)


def main() -> None:
    from streams.host import HostSettings, serve  # noqa: PLC0415  # tests need not load Faust

    arguments = Arguments(**json.loads(sys.argv[1]))
    logs.configure(f"processor-{arguments.name}")
    status = Status()
    server = HealthServer(status)
    folder = Path(arguments.folder)
    (folder / f"{os.getpid()}.port").write_text(str(server.port))
    serve(
        arguments.processor(),
        plant=arguments.plant(),
        status=status,
        data_dir=folder / "data",
        settings=HostSettings(**arguments.host),
    )
    server.close()


if __name__ == "__main__":
    main()
