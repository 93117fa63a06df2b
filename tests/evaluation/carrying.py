"""Carries series from servers through Kafka into a lake, by processes such as a plant runs."""

import asyncio
import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from players import Player

from penstock.demo.scrape import Scrape, scrape
from penstock.runtime.process import Component
from penstock.runtime.supervisor import Supervisor, commands, plan
from penstock.settings.plant import KafkaSettings, RegistrySettings

PROCESSOR = "window-statistics"
SINK = "lake"
TIMES = ("time", "ingest_time", "window_start")


@dataclass(frozen=True)
class Site:
    """A plant's configuration on disk, and what it leaves there.

    Args:
        folder: Of all of it.
        path: enterprise/site; nobody else's.
    """

    folder: Path
    path: str

    @property
    def config(self) -> Path:
        return self.folder / "plant.yaml"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    def asset(self, name: str) -> str:
        """The full path of the asset of a source."""
        return f"{self.path}/{name}"

    def table(self, name: str) -> pa.Table:
        """This site's rows of a table of the lake, its times as microseconds; none if not there."""
        if not DeltaTable.is_deltatable(str(self.lake / name)):
            return pa.table({"asset": pa.array([], pa.string())})
        dataset = DeltaTable(self.lake / name).to_pyarrow_dataset()
        rows = dataset.to_table(filter=pc.field("site") == self.path)
        for column in set(TIMES) & set(rows.column_names):
            at = rows.column_names.index(column)
            rows = rows.set_column(at, column, rows[column].cast(pa.int64()))
        return rows


def write_site(
    site: Site,
    players: Mapping[str, Player],
    windows: Mapping[str, Any],
    kafka: KafkaSettings,
    registry: RegistrySettings,
) -> None:
    """Write the configuration of a plant with a source for each player, as a person would."""
    sources = {}
    for name, player in players.items():
        with (site.folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["asset", "tag", "address", "type", "order"])
            writer.writeheader()
            writer.writerows({"asset": name} | row for row in player.rows())
        sources[name] = player.settings() | {"tags": f"{name}.csv"}
    content = {
        "environment": site.path.replace("/", "-"),
        "site": {"path": site.path},
        "assets": {name: {} for name in players},
        "sources": sources,
        "windows": windows,
        "sinks": {SINK: {"type": "parquet", "path": str(site.lake), "roll": "1 s"}},
        "kafka": {"bootstrap": kafka.bootstrap, "partitions": kafka.partitions},
        "registry": {"url": registry.url},
    }
    site.config.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML


class Processes:
    """The pipeline's processes; whoever dies fails the test.

    Args:
        site: Whose.
        sources: Names of its sources.
    """

    def __init__(self, site: Site, sources: list[str]) -> None:
        self._site = site
        components = plan(sources, [PROCESSOR], [SINK])
        self._supervisor = Supervisor(
            commands(components, site.config, site.run_dir), site.run_dir / "logs"
        )
        self._names = {role: [str(c) for c in components if c.role == role]
                       for role in ("connector", "processor", "sink")}  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        self._supervisor.start()
        try:
            yield
        finally:
            self._supervisor.stop()

    async def stop(self, role: str) -> None:
        await asyncio.to_thread(self._supervisor.stop, self._names[role])

    async def scrape(self, component: Component) -> Scrape:
        self._check()
        return await asyncio.to_thread(scrape, self._site.run_dir / f"{component}.json")

    async def acknowledged(self, source: str) -> int:
        found = await self.scrape(Component("connector", source))
        return int(found.value("penstock_connector_samples_total"))

    async def until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until a condition, which is looked at in a thread, holds."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(condition):
            self._check()
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            await asyncio.sleep(0.2)

    def _check(self) -> None:
        for name in self._supervisor.watch():
            log = self._supervisor.log_file(name).read_text(errors="replace")
            message = f"{name} ended:\n{log[-800:]}"
            raise AssertionError(message)
