"""`penstock console`."""

import sys
from pathlib import Path
from typing import Annotated

import segno
import typer

from penstock import logs
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.console.access import access
from penstock.console.serve import serve
from penstock.runtime.process import end_with_supervisor
from penstock.settings.loader import load_plant


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(console)


def console(
    config: Config = DEFAULT_CONFIG,
    port: Annotated[int, typer.Option(help="0: a free one.")] = 8650,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback TLS and a token are needed.")
    ] = "127.0.0.1",
    name: Annotated[
        str | None, typer.Option(help="This machine's name as phones reach it, for the address.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; without: a new one at each start.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    code: Annotated[
        bool, typer.Option("--qr/--no-qr", help="Print a QR code that opens the page on a phone.")
    ] = True,
) -> None:
    """Serve a read-only web page: lines, machines, live values, KPIs, open alerts."""
    chosen = access(host, token_file, certificate, key)
    plant = load_plant(config, ())
    logs.configure("console")
    end_with_supervisor()

    def opened(at: int) -> None:
        # Logs are read by more people than the file with the token.
        shown = token_file is None or sys.stdout.isatty()
        address = chosen.url(at, name, with_token=shown)
        typer.echo(f"the console is at {address}")
        if code and sys.stdout.isatty():
            segno.make(address, error="m").terminal(compact=True)
        sys.stdout.flush()

    serve(plant, chosen, port, opened)
