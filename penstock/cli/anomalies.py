"""`penstock anomalies …`."""

import getpass
from typing import Annotated

import typer

from penstock.anomaly.releasing import release as publish
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.settings.loader import load_plant

commands = typer.Typer(
    name="anomalies", help="Say what is normal of an asset.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.callback()
def _family() -> None:
    """Keeps `release` a command of its own beside those to come."""


@commands.command()
def release(
    asset: Annotated[str, typer.Argument(help="Path of the asset, below the site.")],
    config: Config = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="Who you are; else your user's name.")] = None,
) -> None:
    """Have an asset learn anew what is normal, after an overhaul or where its learning is full.

    What was normal is forgotten; a new warm-up begins, without scores.
    """
    name = getpass.getuser() if by is None else by
    publish(load_plant(config, ()), asset, name)
    typer.echo(f"{asset} is released by {name}: it learns anew what is normal")
