"""`penstock simulate`: the simulated factory, in the foreground."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from penstock.factory import ERP, PROCESSES, Factory, FactoryError, read_factory, write_factory
from penstock.local.ports import holder
from penstock.runtime.process import SUPERVISED

_GRACE = 6.0
"""Seconds that a PLC gets to end the truth in order."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    context: typer.Context,
    factory: Annotated[
        Path, typer.Argument(help="Folder of the factory; made if it is not there.")
    ] = Path("factory"),
    speed: Annotated[
        float,
        typer.Option(min=0.01, max=1000, help="Seconds of the process per second; a new one's."),
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Of a new factory's randomness.")] = 1,
    opcua_port: Annotated[int, typer.Option(min=1, max=65535, help="Of a new factory.")] = 4840,
    modbus_port: Annotated[int, typer.Option(min=1, max=65535, help="Of a new factory.")] = 5020,
    mqtt_port: Annotated[int, typer.Option(min=1, max=65535, help="Of a new factory.")] = 1883,
    only: Annotated[str | None, typer.Option(help=f"One part: {', '.join(PROCESSES)}.")] = None,
) -> None:
    """Run a simulated factory over OPC UA, Modbus and MQTT, until Ctrl-C."""
    is_new = not (factory / "factory.json").exists()
    if not is_new:
        _warn_of_ignored(context, factory)
    elif factory.is_dir() and any(factory.iterdir()):
        msg = "there is something here, but no factory: factory.json is missing"
        remedy = "name a folder that is empty, or not there yet"
        raise FactoryError(msg, where=str(factory), remedy=remedy)
    if only is not None and only not in PROCESSES:
        msg = f"there is no part {only!r}; one of {', '.join(PROCESSES)}"
        raise typer.BadParameter(msg, param_hint="--only")
    if is_new:
        if only is None:
            _refuse_taken(opcua_port, modbus_port, mqtt_port)
        try:
            write_factory(
                factory,
                seed=seed,
                speed=speed,
                opcua_port=opcua_port,
                modbus_port=modbus_port,
                mqtt_port=mqtt_port,
            )
        except OSError as error:
            msg = f"no factory can be built here: {error.strerror}"
            remedy = "name a folder that you own, or that is not there yet"
            raise FactoryError(msg, where=str(factory), remedy=remedy) from error
        typer.echo(f"built {factory}; its plant's configuration is {factory / 'plant.yaml'}")
    built = read_factory(factory)
    if only is not None:
        from penstock.factory.plc import run_plc  # noqa: PLC0415  # loads all protocols

        run_plc(factory, only)
    else:
        _refuse_taken(built.opcua_port, built.modbus_port, built.mqtt_port)
        _run_all(built)


def _refuse_taken(*ports: int) -> None:
    """Start nothing where a port is taken: an MQTT PLC would publish to another's broker.

    Raises:
        FactoryError: One is.
    """
    for port in ports:
        if (by := holder(port)) is not None:
            msg = f"port {port} is taken{f' by {by}' if by else ''}"
            remedy = "end that, or build a factory in another folder with other ports"
            raise FactoryError(msg, remedy=f"{remedy}: --opcua-port, --modbus-port, --mqtt-port")


def _warn_of_ignored(context: typer.Context, factory: Path) -> None:
    """Name the options given that only a new factory takes."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in ("speed", "seed", "opcua_port", "modbus_port", "mqtt_port")
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if given:
        told = f"{factory} is already built: {', '.join(given)} ignored"
        typer.echo(f"{told} (name a new folder, or remove this one to build it anew)", err=True)


def _run_all(factory: Factory) -> None:
    """Run all parts as processes of their own until Ctrl-C, SIGTERM or the end of one.

    Without its ERP system a factory goes on: machines do not wait for orders' records.
    """
    command = [sys.executable, "-m", "penstock.factory.plc", str(factory.folder)]
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stopping.append(received))
    # Their standard input ends with this process, even if it is killed, and they end with it.
    environment = os.environ | {SUPERVISED: "1"}
    plcs = {
        # In a group of its own: Ctrl-C comes to this process alone, which ends them in order.
        name: subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, env=environment, process_group=0
        )
        for name in PROCESSES
    }
    without_erp = False
    while not stopping and all(plcs[name].poll() is None for name in PROCESSES if name != ERP):
        if not without_erp and plcs[ERP].poll() is not None:
            without_erp = True
            typer.echo("no orders from now on; the machines go on", err=True)
        time.sleep(0.2)
    for process in plcs.values():
        process.terminate()
    for name, process in plcs.items():
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ended_by_us = stopping and process.returncode == -signal.SIGTERM
        if process.returncode and not ended_by_us:
            typer.echo(f"{name} ended with {process.returncode}", err=True)
    if not stopping:
        raise typer.Exit(1)
