"""The demo: all runs, is shown, killed on request, drained, and held against the truth."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.live import Live

from penstock.clock import now
from penstock.demo.anew import start_anew
from penstock.demo.check import Check, check
from penstock.demo.incidents import SETTLED_SECONDS, Incidents, Verdict
from penstock.demo.keys import KILLS, keys
from penstock.demo.kpi_tail import KpiTail
from penstock.demo.log_ends import LogEnds
from penstock.demo.pipeline import Pipeline
from penstock.demo.report import Report
from penstock.demo.view import Scene, render
from penstock.doubts import doubts
from penstock.factory import Factory, read_factory, write_factory
from penstock.kafka.registry import Registry
from penstock.kafka.topics import (
    ALERTS,
    ANOMALIES,
    FEATURES,
    KPIS,
    MAINTENANCE,
    ORDERS,
    PARTIALS,
    PERFORMANCE,
    PRODUCTION,
    SENSORS,
    dead_letters,
)
from penstock.local.ports import free_port, holder
from penstock.local.stack import DEFAULT_PORTS, LocalStack
from penstock.runtime.decoding import Decoder
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant

WINDOW_SIZES: Final = {"5 s": "1 min"}
"""Short, so that many settle while one looks on."""
ROLL: Final = "5 s"
PARTITIONS: Final = 2
"""One for each core of a small machine: more would only make its batches smaller."""
FRAME_SECONDS: Final = 0.1
SCRAPE_SECONDS: Final = 1.0
DEAD: Final = [
    dead_letters(topic.name).name
    for topic in (SENSORS, PARTIALS, PRODUCTION, FEATURES, KPIS, ORDERS, ANOMALIES, ALERTS)
]
READ: Final = (PERFORMANCE, KPIS, ALERTS, MAINTENANCE)
"""What is held against the truth, beside the lake."""
AWAY_SECONDS: Final = 30.0
"""So long a run goes on beyond its time for what was killed to come back."""
DRAINING: Final = "stopping: draining what is on its way; Ctrl-C again to break off"


class Demo:
    """One run of everything.

    Args:
        stack: Kafka and the registry, already up.
        folder: Of the factory, its configuration, the lake and the logs.
        seconds: How long data flows; None: until `q` or `stop`.
        console: Where the view goes.
        kills: Seconds after which something is killed, and what, as the keys would.
        alerts: Whether anomalies are scored and alerted of.
    """

    def __init__(
        self,
        stack: LocalStack,
        folder: Path,
        seconds: float | None,
        console: Console,
        kills: Sequence[tuple[float, str]] = (),
        *,
        alerts: bool = True,
    ) -> None:
        self._stack = stack
        self._seconds = seconds
        self._console = console
        self._folder = folder
        self._alerts = alerts
        self._kills = sorted(kills, reverse=True)
        self._quit = False
        self._asked = self._draining = False
        self._pipeline: Pipeline | None = None

    def _start_anew(self, plant: Plant) -> None:
        if found := start_anew(plant):
            msg = f"of another release, so these start anew: {', '.join(found)}"
            self._console.print(msg, highlight=False)

    def stop(self) -> None:
        """End the run soon, as a signal asks: drain, check, report."""
        self._asked = True
        if self._draining:
            self._console.print(DRAINING, highlight=False)

    def break_off(self) -> None:
        """Kill what runs, at once; what is on its way is left there."""
        if self._pipeline is not None:
            self._pipeline.break_off()

    def run(self) -> Report:
        """Run, drain and check.

        Raises:
            StackError: A process does not get ready.
            KeyboardInterrupt: A stop was asked for before data flowed.
        """
        factory = self._factory()
        plant = load_plant(factory.plant)
        pipeline = Pipeline(self._stack, factory, plant, self._folder / "run")
        self._pipeline = pipeline
        ends = LogEnds(plant.kafka, [*(topic.name for topic in READ), *DEAD])
        self._kpis = KpiTail(plant)
        since = now()
        self._incidents = Incidents(lambda: self._settled(factory, since))
        try:
            with self._console.status("starting the pipeline"):
                self._start_anew(plant)
                pipeline.start(lambda: self._asked)
            began = time.monotonic()
            self._watch(pipeline)
            flowed = time.monotonic() - began
            lines = dict(self._kpis.lines)  # draining, nobody knows what the machines do
            self._draining = True
            if self._asked:
                self._console.print(DRAINING, highlight=False)
            with self._console.status("draining: every sample on its way goes to the lake"):
                pipeline.drain()
            with self._console.status("holding the lake against the ground truth"):
                erp, kpis, alerts, requests = (_records(ends, plant, one.name) for one in READ)
                found = check(
                    factory.folder, self._lake, plant, since, erp=erp, kpis=kpis,
                    alerts=alerts, requests=requests,
                )  # fmt: skip
            return self._report(pipeline, plant, ends, found, lines, flowed)
        finally:
            pipeline.close()
            ends.close()
            self._kpis.close()

    @property
    def _lake(self) -> Path:
        return self._folder / "lake"

    def _factory(self) -> Factory:
        opcua_port, modbus_port, mqtt_port = self._plc_ports()
        return write_factory(
            self._folder,
            opcua_port=opcua_port,
            modbus_port=modbus_port,
            mqtt_port=mqtt_port,
            windows=WINDOW_SIZES,
            bootstrap=self._stack.kafka_settings().bootstrap,
            registry=self._stack.registry_settings().url,
            partitions=PARTITIONS,
            roll=ROLL,
            alerts=self._alerts,
        )

    def _plc_ports(self) -> tuple[int, int, int]:
        """The PLCs' ports: as before, else the protocols' own where Kafka has its own, too."""
        if (self._folder / "factory.json").exists():
            before = read_factory(self._folder)
            ports = (before.opcua_port, before.modbus_port, before.mqtt_port)
            return _free(ports[0]), _free(ports[1]), _free(ports[2])
        if self._stack.port("kafka") != DEFAULT_PORTS["kafka"]:
            return free_port(), free_port(), free_port()
        return _free(4840), _free(5020), _free(1883)

    def _watch(self, pipeline: Pipeline) -> None:
        """Show, restart what died, obey the keys, until time is up."""
        began = time.monotonic()
        scraped = 0.0
        with keys() as pressed, Live(console=self._console, auto_refresh=False) as live:
            while not (self._asked or self._quit) and not self._over(began):
                time.sleep(FRAME_SECONDS)
                pipeline.watch()
                self._obey(pressed(), pipeline)
                while self._kills and time.monotonic() - began >= self._kills[-1][0]:
                    self._kill(self._kills.pop()[1], pipeline)
                if time.monotonic() - scraped >= SCRAPE_SECONDS:
                    scraped = time.monotonic()
                    rows = pipeline.rows()
                    self._incidents.watch(rows)
                    left = None if self._seconds is None else began + self._seconds - scraped
                    scene = Scene(
                        rows, pipeline.figures, self._kpis.lines, self._incidents, left, scraped,
                        self._console.is_terminal,
                    )  # fmt: skip
                    live.update(render(scene), refresh=self._console.is_terminal)

    def _over(self, began: float) -> bool:
        if self._seconds is None:
            return False
        beyond = time.monotonic() - began - self._seconds
        return beyond >= (0 if self._incidents.over else AWAY_SECONDS)

    def _obey(self, key: str, pipeline: Pipeline) -> None:
        if key == "q":
            self._quit = True
        elif key in KILLS:
            self._kill(KILLS[key], pipeline)

    def _kill(self, what: str, pipeline: Pipeline) -> None:
        pipeline.kill(what)
        self._incidents.add(what)

    def _settled(self, factory: Factory, since: int) -> Verdict:
        """What of the run, as far as it has settled, was lost, counted twice or wrong."""
        until = now() - int(SETTLED_SECONDS * 1e6)
        found = check(factory.folder, self._lake, load_plant(factory.plant), since, until)
        return Verdict(found.samples.lost, found.samples.duplicates, found.windows_wrong)

    def _report(
        self,
        pipeline: Pipeline,
        plant: Plant,
        ends: LogEnds,
        found: Check,
        lines: Mapping[str, Mapping[str, Any]],
        flowed: float,
    ) -> Report:
        figures = pipeline.figures
        samples = found.samples
        return Report(
            seconds=round(flowed, 1),
            samples_sent=samples.sent,
            samples_in_lake=samples.in_lake,
            samples_per_s=round(samples.in_lake / flowed, 1),
            lost=samples.lost,
            duplicates=samples.duplicates,
            wrong_values=samples.wrong,
            flagged=samples.flagged,
            repeated=samples.repeated,
            windows=found.windows,
            windows_wrong=found.windows_wrong,
            orders_completed=found.orders,
            erp_messages=ends.gained([PERFORMANCE.name]),
            erp_compared=found.erp_compared,
            erp_bounded=found.erp_bounded,
            erp_wrong=found.erp_wrong,
            kpis_checked=found.kpis.checked,
            kpis_bounded=found.kpis.bounded,
            kpis_wrong=found.kpis.wrong,
            orders_closed=found.kpis.orders_closed,
            alerts=found.alerts.alerts,
            alerts_on_failing_machines=found.alerts.on_failing,
            false_alerts=found.alerts.false,
            maintenance_requests=found.alerts.requests,
            oee={line: one["kpis"]["oee"] for line, one in sorted(lines.items())},
            oee_doubts={line: doubts(one) for line, one in lines.items()},
            dead_letters=ends.gained(DEAD),
            protocols=sorted({source.type for source in plant.sources.values()}),
            p50_end_to_end_ms=_ms(figures.delay(0.5)),
            p99_end_to_end_ms=_ms(figures.delay(0.99)),
            lake_rows=found.lake_rows,
            lake_files=found.lake_files,
            writes=int(figures.total("penstock_connector_writes_total")),
            incidents=[{"what": one.what, "seconds": one.recovered} for one in self._incidents.all],
            examples=[*samples.examples, *found.examples],
        )


def _records(ends: LogEnds, plant: Plant, topic: str) -> list[Mapping[str, Any]]:
    """What a topic gained during the run."""
    registry = Registry(plant.registry)
    try:
        decode = Decoder(registry).record
        return [cast("Mapping[str, Any]", decode(one).value) for one in ends.read(topic)]
    finally:
        registry.close()


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 1)


def _free(port: int) -> int:
    """The port, or another one where somebody has it."""
    return port if holder(port) is None else free_port()
