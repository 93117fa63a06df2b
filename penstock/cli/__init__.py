"""The command line, `penstock`: one module per family of commands.

A module is imported when one of its commands is asked for: all of them take seconds.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from penstock import __version__, logs
from penstock.errors import PenstockError

MODULES: Final = {
    "stack": ("up", "down", "status", "doctor"),
    "config": ("init", "validate"),
    "connectors": ("connectors",),
    "certs": ("certs",),
    "run": ("run", "work"),
    "simulate": ("simulate",),
    "demo": ("demo",),
    "lake": ("lake",),
    "streams": ("streams",),
    "dlq": ("dlq",),
    "schemas": ("schemas",),
    "topics": ("selftest", "topics"),
    "size": ("size",),
    "audit": ("audit",),
    "backtest": ("backtest",),
    "replay": ("replay",),
    "alerts": ("alerts",),
    "anomalies": ("anomalies",),
    "console": ("console",),
    "why": ("why",),
}
"""The modules of this package, and the commands that each registers."""
LAST_WORD: Final = "PENSTOCK_LAST_WORD"
"""Environment variable: a file for the error that ends the process, besides standard error."""


class Commands(TyperGroup):
    """The commands, each imported with its module when it is first asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of `MODULES`; imports every module."""
        del ctx
        for module in MODULES:
            self._load(module)
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; None if there is none, all others then being known for a suggestion."""
        for module, names in MODULES.items():
            if cmd_name in names:
                self._load(module)
                return self.commands[cmd_name]
        self.list_commands(ctx)
        return None

    def _load(self, module: str) -> None:
        if MODULES[module][0] not in self.commands:
            family = typer.Typer()
            import_module(f"penstock.cli.{module}").register(family)
            self.commands.update(typer.main.get_group(family).commands)


app = typer.Typer(
    name="penstock",
    cls=Commands,
    help="Carries a factory's OT data into its IT systems over Kafka, and decisions back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done · 1 failed · 2 configuration or usage · 3 something does not answer "
    "or is not as agreed (Kafka, registry, device, topic, state, lake) · 4 the local stack.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"penstock {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    _ = version
    logs.quieten()


def everything() -> Commands:
    """The command line with all commands in its `commands`."""
    root = typer.main.get_group(app)
    assert isinstance(root, Commands)
    root.list_commands(None)
    return root


def main() -> None:
    """Run the command line; a `PenstockError` becomes its text and its exit code."""
    try:
        app()
    except PenstockError as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(f"[bold red]error[/] [dim]{error.code}[/] ", end="")
        console.print(f"{error.where}: {error.message}" if error.where else error.message,
                      markup=False)  # fmt: skip
        if error.remedy:
            console.print(f"  → {error.remedy}", markup=False)
        _leave_word(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave_word(error: PenstockError) -> None:
    """Write the error where Kubernetes looks for what a container died of.

    It would else take the end of the log, where libraries may have written since: duckdb lists
    hundreds of objects that it did not free, whenever Python ends by an error.
    """
    if path := os.environ.get(LAST_WORD):
        with suppress(OSError):
            Path(path).write_text(f"error {error.code} {error}\n")
