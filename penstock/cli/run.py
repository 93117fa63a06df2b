"""`penstock run` and `penstock work`."""

import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from penstock import logs
from penstock.processor import chosen
from penstock.runtime.process import Component, on_stop_signal, process
from penstock.runtime.run_folder import sole
from penstock.runtime.supervisor import Supervisor, commands, plan
from penstock.runtime.troubles import Trouble, Troubles
from penstock.settings.loader import load_component, load_plant
from penstock.settings.sections import ROLES


class Part(StrEnum):
    """What `penstock work` may be."""

    connector = "connector"
    processor = "processor"
    sink = "sink"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(work)


def run(
    config: Annotated[Path, typer.Argument(help="The plant's configuration.")],
    only: Annotated[
        str, typer.Option(help="Comma-separated: connectors, streams, sinks.")
    ] = "connectors,streams,sinks",
    workers: Annotated[int, typer.Option(min=1, help="Processes per stream processor.")] = 1,
    run_dir: Annotated[Path, typer.Option(help="Folder for notes, logs and local data.")] = Path(
        ".penstock/run"
    ),
) -> None:
    """Run a plant's connectors, stream processors and sinks, until Ctrl-C."""
    parts = only.split(",")
    unknown = set(parts) - {"connectors", "streams", "sinks"}
    if unknown:
        msg = f"--only takes connectors, streams, sinks; not {', '.join(sorted(unknown))}"
        raise typer.BadParameter(msg)
    logs.configure("supervisor")
    plant = load_plant(config)
    processors = [one.name for one in chosen(plant)]
    planned = plan(plant.sources, processors, plant.sinks, only=parts, workers=workers)
    supervisor = Supervisor(commands(planned, config, run_dir), run_dir / "logs")
    with sole(run_dir, "--run-dir"):
        _tell(f"running {len(planned)} processes; Ctrl-C ends them; logs in {run_dir / 'logs'}")
        asked = _supervise(supervisor, planned)
    if not asked:
        raise typer.Exit(2)


def _supervise(supervisor: Supervisor, planned: Sequence[Component]) -> bool:
    """Run until a stop signal, or until all have given up; gives whether it was the signal."""
    stopping: list[bool] = []
    on_stop_signal(lambda: stopping.append(True), supervisor.break_off)
    troubles = Troubles({str(one): supervisor.log_file(str(one)) for one in planned})
    try:
        supervisor.start()
        while not stopping and len(supervisor.given_up()) < len(planned):
            for name in supervisor.watch():
                _tell_end(name, supervisor, len(planned))
            for trouble in troubles.new():
                _tell_trouble(trouble)
            time.sleep(0.2)
    finally:
        if stopping:
            _tell("stopping: what is on its way is still passed on; Ctrl-C again to break off")
        for role in ("connector", "processor", "sink"):
            supervisor.stop([str(one) for one in planned if one.role == role])
    return bool(stopping)


def _tell_end(name: str, supervisor: Supervisor, count: int) -> None:
    """Say that a child ended and why, and what becomes of it."""
    refused = supervisor.given_up()
    fate = "refused to run, and is not started again" if name in refused else "is started again"
    reason = supervisor.last_error(name) or f"its log, {supervisor.log_file(name)}, names no reason"
    _tell(f"{name} ended and {fate}: {reason}")
    if name in refused and len(refused) < count:
        _tell(f"{len(refused)} of {count} processes will not run; the others go on")


def _tell_trouble(trouble: Trouble) -> None:
    """Say what a child warns of; where no person looks, as a line of the log."""
    if sys.stderr.isatty():
        _tell(f"{trouble.component}: {trouble.words}")
    else:
        structlog.get_logger().warning("trouble", child=trouble.component, error=trouble.words)


def _tell(line: str) -> None:
    """A line for people, beside the logs for machines."""
    if sys.stderr.isatty():
        typer.echo(line, err=True)


def work(
    role: Annotated[Part, typer.Argument(help="What to be.")],
    name: Annotated[str, typer.Argument(help="Its name in the configuration.")],
    config: Annotated[Path, typer.Option(help="The plant's configuration.")],
    run_dir: Annotated[Path, typer.Option(help="Folder for notes and local data.")] = Path(
        ".penstock/run"
    ),
    instance: Annotated[int, typer.Option(help="Tells workers of one name apart.")] = 0,
    host: Annotated[str, typer.Option(help="Address of health and metrics.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of health and metrics; 0: a free one.")] = 0,
) -> None:
    """Run one component in the foreground (what a container runs)."""
    from penstock.runtime.worker import work as serve  # noqa: PLC0415  # loads Kafka's clients

    component = Component(role.value, name, instance)
    with process(component, run_dir, host=host, port=port) as status:
        plant = load_component(config, ROLES[role.value], name)
        serve(component, plant, status, run_dir / "data" / str(component))
