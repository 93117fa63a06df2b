"""The command line, `penstock`: one module per family of commands."""

import sys
from importlib import import_module
from typing import Annotated, Final

import typer
from rich.console import Console

from penstock import __version__
from penstock.errors import PenstockError

MODULES: Final = ("stack", "config", "run", "simulate", "demo", "lake", "streams", "audit")

app = typer.Typer(
    name="penstock",
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


try:
    for _module in MODULES:
        import_module(f"penstock.cli.{_module}").register(app)
except KeyboardInterrupt:  # Loading takes a while, and Ctrl-C is no error.
    sys.exit(130)


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
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
