"""`penstock simulate`: the simulated factory, in the foreground."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from penstock.factory import (
    BROKER,
    ERP,
    PROCESSES,
    Factory,
    FactoryError,
    read_factory,
    write_factory,
)
from penstock.factory.layout import LINES
from penstock.local.ports import holder
from penstock.runtime.process import SUPERVISED

_GRACE = 30.0
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
    if only is not None and only not in PROCESSES:
        msg = f"there is no part {only!r}; one of {', '.join(PROCESSES)}"
        raise typer.BadParameter(msg, param_hint="--only")
    wanted = Factory(factory, seed, speed, 0, opcua_port, modbus_port, mqtt_port)
    if build(wanted, only):
        typer.echo(f"built {factory}; its plant's configuration is {factory / 'plant.yaml'}")
    else:
        _warn_of_ignored(context, factory)
    built = read_factory(factory)
    _refuse_taken(built, only)
    if only is None:
        _run_all(built)
        return
    from penstock.factory.plc import run_plc  # noqa: PLC0415  # loads all protocols

    run_plc(factory, only)


def _is_built(folder: Path) -> bool:
    return (folder / "factory.json").exists()


def build(wanted: Factory, only: str | None) -> bool:
    """Build a factory unless there is one; of several processes at once the others wait.

    Raises:
        FactoryError: It cannot be built there, or a port of what is to run is taken.
    """
    folder = wanted.folder
    if not folder.exists():
        _refuse_taken(wanted, only)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            if _is_built(folder):
                return False
            if any(folder.iterdir()):
                msg = "there is something here, but no factory: factory.json is missing"
                remedy = "name a folder that is empty, or not there yet"
                raise FactoryError(msg, where=str(folder), remedy=remedy)
            _refuse_taken(wanted, only)
            write_factory(
                folder,
                seed=wanted.seed,
                speed=wanted.speed,
                opcua_port=wanted.opcua_port,
                modbus_port=wanted.modbus_port,
                mqtt_port=wanted.mqtt_port,
            )
    except OSError as error:
        msg = f"no factory can be built here: {error.strerror}"
        remedy = "name a folder that you own, or that is not there yet"
        raise FactoryError(msg, where=str(folder), remedy=remedy) from error
    return True


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here with the folder; its end lets the next one in."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _refuse_taken(factory: Factory, only: str | None) -> None:
    """Start nothing where a port is taken: an MQTT PLC would publish to another's broker.

    Args:
        factory: Whose ports.
        only: The part that is to run; None: all.

    Raises:
        FactoryError: One is.
    """
    ports = {line.plc: factory.port(line) for line in LINES if line.protocol != "mqtt"}
    ports[BROKER] = factory.mqtt_port
    for part, port in ports.items():
        if only in (None, part) and (found := holder(port)) is not None:
            remedy = "build a factory in another folder with other ports"
            remedy += ": --opcua-port, --modbus-port, --mqtt-port"
            remedy = remedy if found.forbidden else f"end that, or {remedy}"
            msg = f"port {port} is {found}"
            raise FactoryError(msg, remedy=remedy)


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
    """Run all parts as processes of their own until Ctrl-C, SIGTERM or the end of one."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stopping.append(received))
    parts = {name: _start(factory, name) for name in PROCESSES}
    _watch(parts, stopping)
    _end(parts, in_order=bool(stopping))
    if not stopping:
        raise typer.Exit(1)


def _start(factory: Factory, name: str) -> subprocess.Popen[bytes]:
    """Start a part.

    Its standard input ends with this process, even if it is killed, and it ends with it. It is in
    a group of its own: Ctrl-C comes to this process alone, which ends the parts in order.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "penstock.factory.plc", str(factory.folder), name],
        stdin=subprocess.PIPE,
        env=os.environ | {SUPERVISED: "1"},
        process_group=0,
    )


def _watch(parts: Mapping[str, subprocess.Popen[bytes]], stopping: Sequence[int]) -> None:
    """Wait for a signal or the end of a part.

    Without its ERP system a factory goes on: machines do not wait for orders' records.
    """
    without_erp = False
    while not stopping and all(parts[name].poll() is None for name in PROCESSES if name != ERP):
        if not without_erp and parts[ERP].poll() is not None:
            without_erp = True
            typer.echo("no orders from now on; the machines go on", err=True)
        time.sleep(0.2)


def _end(parts: Mapping[str, subprocess.Popen[bytes]], *, in_order: bool) -> None:
    """End all parts, and name those that ended otherwise than by us, if that was `in_order`."""
    for process in parts.values():
        process.terminate()
    for name, process in parts.items():
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ended_by_us = in_order and process.returncode == -signal.SIGTERM
        if process.returncode and not ended_by_us:
            typer.echo(f"{name} ended with {process.returncode}", err=True)
