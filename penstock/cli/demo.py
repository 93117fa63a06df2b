"""`penstock demo`: everything at once; what `make run` calls."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from penstock import logs
from penstock.cli.stack import Folder, Jars, KafkaPort, RegistryPort
from penstock.demo.keys import KILLS, terminal
from penstock.demo.report import Report, show
from penstock.local.fetch import fetch
from penstock.local.stack import DEFAULT_FOLDER, LocalStack
from penstock.runtime.process import on_stop_signal
from penstock.runtime.run_folder import sole


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long data flows; without: until Ctrl-C.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the figures here, as JSON.")] = None,
    kill: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT@SECOND", help=f"Kill {', '.join(KILLS.values())} at a time."),
    ] = None,
    alerts: Annotated[
        bool, typer.Option(help="Score anomalies, raise alerts, ask for maintenance.")
    ] = True,
    folder: Folder = DEFAULT_FOLDER,
    kafka_port: KafkaPort = None,
    registry_port: RegistryPort = None,
    jars: Jars = None,
) -> None:
    """Run stack, simulated factory and pipeline; show them live; check what came out.

    Exit code 0 where nothing was lost, doubled or wrong; else 1.
    """
    kills = [_kill(text) for text in kill or ()]
    console = Console()
    stack = LocalStack(folder, kafka_port, registry_port, jars)
    with sole(folder / "demo" / "run", "--dir"):
        found = _run(stack, folder, seconds, console, kills, alerts=alerts)
    if report is not None:
        report.write_text(json.dumps(found.as_dict(), indent=2) + "\n")
    show(found, console, folder=str(folder / "demo"))
    raise typer.Exit(0 if found.ok else 1)


def _run(
    stack: LocalStack,
    folder: Path,
    seconds: float | None,
    console: Console,
    kills: Sequence[tuple[float, str]],
    *,
    alerts: bool,
) -> Report:
    """The demo on its stack, which is left as it was found: up or down."""
    from penstock.demo.demo import Demo  # noqa: PLC0415  # loads the lake and Kafka's clients

    was_up = stack.status().up
    run = Demo(stack, folder / "demo", seconds, console, kills, alerts=alerts)
    begun: list[bool] = []
    restore = terminal()

    def stop() -> None:
        run.stop()
        if not begun:
            raise KeyboardInterrupt  # A stack that starts undoes what it began.

    def break_off() -> None:
        run.break_off()
        if not was_up:
            stack.kill("kafka")
            stack.kill("registry")
        restore()
        console.show_cursor()

    on_stop_signal(stop, break_off)
    if not was_up:
        fetch(console, stack.jars)
        with console.status("starting Kafka and the schema registry"):
            stack.up()
    try:
        begun.append(True)
        logs.configure("demo", file=folder / "demo" / "run" / "logs" / "demo.log")
        return run.run()
    finally:
        if not was_up:
            with console.status("stopping Kafka and the schema registry"):
                stack.down()


def _kill(text: str) -> tuple[float, str]:
    """Second and what, of WHAT@SECOND."""
    what, _, second = text.partition("@")
    if what not in KILLS.values() or not second.replace(".", "", 1).isdigit():
        msg = f"{text!r} is not WHAT@SECOND with one of {', '.join(KILLS.values())}"
        raise typer.BadParameter(msg, param_hint="--kill")
    return float(second), what
