"""A worker of the stream host as a process of its own, with an operator that only adds up.

Arguments: a JSON object with `name`, `bootstrap`, `registry`, `partitions`, `data`, `port`; more in
`Arguments`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penstock import logs
from penstock.health import HealthServer, Status
from penstock.operator import Books, LateSamples, Operator, Output, Result, SampleBatch
from penstock.processor import Input, Processor
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
from streams.window_statistics import WindowStatisticsProcessor

POISON = -1.0
"""A value that makes the operator raise."""
LATE = -2.0
"""A value that the operator calls late."""
DAWDLED = 8.0
"""Seconds; longer than a worker of a test waits for an answer to a request."""
LARGE = 12_000_000
"""Bytes by which a row is longer than a message may be."""


@dataclass
class Total:
    count: int = 0
    sum: float = 0.0
    squares: float = 0.0


class Sums(Operator):
    """Count, sum and sum of squares of each series, published whenever they change."""

    def __init__(self, fingerprint: str = "sums-1", behaviour: Sequence[str] = ()) -> None:
        self.books = Books()
        self._fingerprint = fingerprint
        self._behaviour = behaviour
        self._totals: dict[str, Total] = {}
        self._changed: set[str] = set()
        self._marks: dict[tuple[str, str], int] = {}

    def update(self, batch: SampleBatch) -> Output:
        if "fails" in self._behaviour:
            msg = "there is a bug"
            raise RuntimeError(msg)
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
        if "ticks" not in self._behaviour:
            return Output()
        return Output([Result("acme", ("acme|plc|tick", 0, 0.0, 0.0))])

    def changes(self) -> Mapping[str, bytes | None]:
        changed, self._changed = self._changed, set()
        rows = {name: json.dumps(vars(self._totals[name])).encode() for name in changed}
        if "large" in self._behaviour and changed:  # after the JSON, nobody minds spaces
            rows = {name: row + b" " * LARGE for name, row in rows.items()}
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        self._totals = {name: Total(**json.loads(row)) for name, row in rows.items()}

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        return self._marks


class NewSums(Sums):
    """A later release: its rows have another format, and it reads the older one."""

    state_format = 2

    def changes(self) -> Mapping[str, bytes | None]:
        return {f"v2 {name}": row for name, row in super().changes().items()}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        super().restore({name.removeprefix("v2 "): row for name, row in rows.items()})
        if any(not name.startswith("v2 ") for name in rows):
            self._changed = set(self._totals)

    def reads(self, fingerprint: str) -> bool:
        return fingerprint in ("sums-1", self.fingerprint)


class SumsProcessor(Processor):
    """Sums, published as WindowStatistics: `mean` is the sum, `standard_deviation` of squares."""

    name, record = "sums", "WindowStatistics"
    lead = 0

    def __init__(
        self, plant: Plant, name: str, fingerprint: str = "sums-1", behaviour: Sequence[str] = ()
    ) -> None:
        super().__init__(plant)
        self._fingerprint = fingerprint
        self._behaviour = behaviour
        self.name = name  # type: ignore[misc]  # of the test, not of the class
        reads = [f"ot.{name}.v1", f"ot.{name}-more.v1"][: 2 if "joins" in behaviour else 1]
        self.reads = tuple(map(Input, reads))  # type: ignore[misc]
        self.writes = f"ot.{name}-sums.v1"  # type: ignore[misc]

    def operator(self) -> Operator:
        kind = NewSums if "newer" in self._behaviour else Sums
        return kind(self._fingerprint, self._behaviour)

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
    behaviour: Sequence[str] = ()
    """`fails`, `ticks`, `large`, `newer`, `hangs`, `dawdles`, `joins`, `windows`: see the code."""
    environment: str = "test"
    host: dict[str, float] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    """Of librdkafka."""

    def plant(self) -> Plant:
        """A plant without sources."""
        return Plant(
            environment=self.environment,
            site=Site(path="acme/hall"),
            windows=Windows(
                sizes={parse_duration("10 s"): WindowSize(reopen_for=parse_duration("1 min"))}
            ),
            kafka=KafkaSettings(
                bootstrap=self.bootstrap, partitions=self.partitions, options=self.options
            ),
            registry=RegistrySettings(url=self.registry),
        )

    def processor(self) -> Processor:
        """The processor under test."""
        if "windows" in self.behaviour:
            return self.windows()
        return SumsProcessor(self.plant(), self.name, self.fingerprint, self.behaviour)

    def windows(self) -> Processor:
        """Window statistics, on the test's topics."""
        names = {
            "name": self.name,
            "reads": (Input(f"ot.{self.name}.v1"),),
            "writes": f"ot.{self.name}-sums.v1",
        }
        processor: Processor = type("Windows", (WindowStatisticsProcessor,), names)(self.plant())
        return processor


def hang() -> None:
    """Let the consumer's fetch never come back, some time after the first records."""
    from streams.host.transport import BatchConsumer  # noqa: PLC0415

    fetch = BatchConsumer._fetch

    async def fetch_once(self: BatchConsumer, timeout: float) -> Any:
        fetched = await fetch(self, timeout)
        if any(fetched.values()):
            BatchConsumer._fetch = lambda *_: asyncio.sleep(3600)  # type: ignore[method-assign]
        return fetched

    BatchConsumer._fetch = fetch_once  # type: ignore[method-assign]


def dawdle() -> None:
    """Let go of partitions only after `DAWDLED` seconds, while the heart beats on."""
    from streams.host.host import Host  # noqa: PLC0415

    hand_over = Host.hand_over

    async def hand_over_late(self: Host) -> None:
        if self.owned:
            await asyncio.sleep(DAWDLED)
        await hand_over(self)

    Host.hand_over = hand_over_late  # type: ignore[method-assign]


def main() -> None:
    from streams.host import HostSettings, serve  # noqa: PLC0415  # tests need not load Faust

    arguments = Arguments(**json.loads(sys.argv[1]))
    logs.configure(f"processor-{arguments.name}")
    status = Status()
    server = HealthServer(status)
    folder = Path(arguments.folder)
    (folder / f"{os.getpid()}.port").write_text(str(server.port))
    if "hangs" in arguments.behaviour:
        hang()
    if "dawdles" in arguments.behaviour:
        dawdle()
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
