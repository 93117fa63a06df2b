"""`penstock up | down | status | doctor`: the local Kafka and registry.

Exit codes: 0 done (`status`: all up; `doctor`: nothing fails), 4 otherwise.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from penstock.errors import StackError
from penstock.local.doctor import Finding, Verdict, diagnose
from penstock.local.fetch import fetch
from penstock.local.process import unwound
from penstock.local.stack import DEFAULT_FOLDER, LocalStack, StackStatus
from penstock.settings.plant import KafkaSettings, RegistrySettings

ANY_FREE: Final = "0: as before if nobody else took that, else any free one."
Folder = Annotated[
    Path, typer.Option("--dir", help="Holds data, logs and pid files.", envvar="PENSTOCK_DIR")
]
KafkaPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help=ANY_FREE, show_default="as before, else 9092"),
]
RegistryPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help=ANY_FREE, show_default="as before, else 8081"),
]
Jars = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Folder with the jars, for machines that cannot download "
        "(`python -m penstock.local.fetch DIR` gathers them).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
COLOURS: Final = {"up": "green", "starting": "yellow", "down": "red"}
SIGNS: Final[dict[Verdict, str]] = {
    "ok": "[green]ok[/]",
    "warn": "[yellow]warn[/]",
    "fail": "[red]fail[/]",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, down, status, doctor):
        app.command()(command)


def up(
    folder: Folder = DEFAULT_FOLDER,
    kafka_port: KafkaPort = None,
    registry_port: RegistryPort = None,
    jars: Jars = None,
    as_json: Json = False,
) -> None:
    """Start a local Kafka and schema registry; they keep running until `penstock down`."""
    stack = LocalStack(folder, kafka_port, registry_port, jars)
    console = Console(stderr=True, quiet=as_json)
    with unwound():
        fetch(console, stack.jars)
        with console.status("Starting Kafka and the registry…"):
            now = stack.up()
    _show(now, as_json)
    if not as_json and now.up:
        _tell_where(stack)


def _tell_where(stack: LocalStack) -> None:
    """What `plant.yaml` needs to name, where these are not the addresses that it takes else."""
    kafka, registry = stack.kafka_settings().bootstrap, stack.registry_settings().url
    lines = []
    if kafka != KafkaSettings().bootstrap:
        lines.append(f'kafka: {{bootstrap: "{kafka}"}}')
    if registry != RegistrySettings().url:
        lines.append(f'registry: {{url: "{registry}"}}')
    if lines:
        console = Console(highlight=False)
        console.print("Other addresses than usual: write them into plant.yaml, as", style="yellow")
        for line in lines:
            console.print(f"  {line}", soft_wrap=True, markup=False)


def down(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """Stop the local Kafka and schema registry; their data stay."""
    stopped = LocalStack(folder).down()
    if as_json:
        _print({"stopped": stopped})
    else:
        Console().print(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


def status(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """Show whether the local Kafka and registry answer, where, and what they use."""
    now = LocalStack(folder).status()
    _show(now, as_json)
    if not now.up:
        raise typer.Exit(StackError.exit_code)


def doctor(
    folder: Folder = DEFAULT_FOLDER,
    kafka_port: KafkaPort = None,
    registry_port: RegistryPort = None,
    jars: Jars = None,
    as_json: Json = False,
) -> None:
    """Look for what keeps the local stack from working, and say what to do about it."""
    found = list(diagnose(LocalStack(folder, kafka_port, registry_port, jars)))
    failed = any(finding.verdict == "fail" for finding in found)
    if as_json:
        _print({"ok": not failed, "findings": [asdict(finding) for finding in found]})
    else:
        Console().print(_findings(found))
    if failed:
        raise typer.Exit(StackError.exit_code)


def _show(now: StackStatus, as_json: bool) -> None:
    if as_json:
        _print(now.as_dict())
        return
    address = Column("address", overflow="fold")
    table = Table("service", "state", address, "version", "pid", "memory")
    for each in now.services:
        table.add_row(
            each.name,
            f"[{COLOURS[each.state]}]{each.state}[/]",
            each.address,
            each.version,
            str(each.pid or "–"),
            f"{each.memory / 1e6:.0f} MB" if each.memory else "–",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Data, logs and pid files: {escape(now.folder)}", soft_wrap=True)


def _findings(found: list[Finding]) -> Table:
    table = Table("check", "verdict", "finding", "what to do")
    for each in found:
        table.add_row(each.check, SIGNS[each.verdict], escape(each.detail), escape(each.remedy))
    return table


def _print(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2))
