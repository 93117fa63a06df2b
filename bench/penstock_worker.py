"""A worker of the stream host as a process of its own, on topics of a benchmark.

Argument: a JSON object with the fields of `Arguments`.
"""

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.workload import OUT_OF_ORDER, REOPEN_FOR, WINDOW
from penstock import logs
from penstock.health import Status
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
from streams.window_statistics import WindowStatisticsProcessor

Work = Literal["statistics", "moments"]


@dataclass(frozen=True)
class Arguments:
    """What the benchmark tells the worker."""

    name: str
    reads: str
    writes: str
    bootstrap: str
    registry: str
    partitions: int
    folder: str
    number: int = 0
    work: Work = "statistics"
    snapshot_every: float = 1.0

    def plant(self) -> Plant:
        """A plant without sources, with the benchmark's windows."""
        size = parse_duration(f"{WINDOW // 1_000_000} s")
        kept = WindowSize(reopen_for=parse_duration(f"{REOPEN_FOR // 1_000_000} s"))
        return Plant(
            environment="bench",
            site=Site(path="acme/bremen"),
            windows=Windows(
                out_of_order=parse_duration(f"{OUT_OF_ORDER // 1_000_000} s"), sizes={size: kept}
            ),
            kafka=KafkaSettings(bootstrap=self.bootstrap, partitions=self.partitions),
            registry=RegistrySettings(url=self.registry),
        )

    def processor(self) -> Processor:
        """The processor that does the work, on the benchmark's topics."""
        names = {"name": self.name, "reads": (Input(self.reads),), "writes": self.writes}
        kind = type("BenchProcessor", (WindowStatisticsProcessor,), names)
        processor: Processor = kind(self.plant())
        return processor


def main() -> None:
    """Serve until SIGTERM."""
    from streams.host import HostSettings, serve  # noqa: PLC0415  # others need not load Faust

    arguments = Arguments(**json.loads(sys.argv[1]))
    logs.configure(f"processor-{arguments.name}")
    status = Status()
    folder = Path(arguments.folder)
    _wait_for(folder / f"{arguments.number}.go")
    health = threading.Thread(target=_tell, args=(status, folder, arguments.number), daemon=True)
    health.start()
    serve(
        arguments.processor(),
        plant=arguments.plant(),
        status=status,
        data_dir=folder / f"data-{arguments.number}",
        settings=HostSettings(snapshot_every=arguments.snapshot_every),
    )


def _wait_for(file: Path) -> None:
    """All workers load first, so that they begin together."""
    while not file.exists():
        time.sleep(0.005)


def _tell(status: Status, folder: Path, number: int) -> None:
    """Say once that the worker is at work."""
    while not status.ready:
        time.sleep(0.01)
    (folder / f"{number}.ready").touch()


if __name__ == "__main__":
    main()
