"""`penstock alerts …`."""

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from penstock.alerts.acknowledging import acknowledge
from penstock.alerts.picture import picture
from penstock.alerts.reading import Datum, find_alert, read_alerts
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.tables import show_table
from penstock.cli.times import site_time
from penstock.errors import ConfigurationError
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant

Id = Annotated[str, typer.Argument(help="The alert's id, or how it begins.", metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per alert.")]
_STYLES = {"raised": "bold red", "acknowledged": "yellow", "cleared": "dim"}

commands = typer.Typer(
    name="alerts", help="Show alerts, and acknowledge them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command("list")
def list_(
    config: Config = DEFAULT_CONFIG,
    everything: Annotated[bool, typer.Option("--all", help="Cleared ones, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show alerts, those that want attention first."""
    plant = load_plant(config, ())
    found = [one for one in read_alerts(plant) if everything or one["state"] != "cleared"]
    if as_json:
        for one in found:
            typer.echo(_json(one))
        return
    if not found:
        typer.echo(
            "there is no alert" if everything else "no alert is open; --all shows the others"
        )
        return
    table = Table(Column("id", no_wrap=True), "state", "asset", "what", "raised")
    for one in found:
        table.add_row(
            one["id"],
            f"[{_STYLES.get(one['state'], '')}]{escape(_state(one))}[/], "
            + escape(one["severity"]),
            escape(_plain(one["asset"]).removeprefix(f"{plant.site.path}/")),
            escape(_plain(one["message"])),
            site_time(one["raised"], plant),
        )
    show_table(table)
    typer.echo(f"{len(found)} alert{'' if len(found) == 1 else 's'}")


@commands.command()
def show(
    name: Id,
    config: Config = DEFAULT_CONFIG,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the signals into this file, as SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one alert with its evidence."""
    plant = load_plant(config, ())
    alert = find_alert(read_alerts(plant), name)
    if plot is not None:
        plot.write_text(picture(alert), encoding="utf-8")
    if as_json:
        typer.echo(_json(alert))
        return
    rows = {
        "alert": alert["id"],
        "state": alert["state"],
        "severity": alert["severity"],
        "asset": alert["asset"],
        "cause": alert["cause"],
        "since": _when(alert["onset"], plant),
        "raised": _when(alert["raised"], plant),
        "acknowledged": _by(alert, plant),
        "cleared": _when(alert["cleared"], plant),
        "value": f"{alert['value']:.3g}, limit {alert['limit']:.3g}",
    }
    typer.echo(_plain(alert["message"]))
    for word in alert["evidence"]["words"]:
        typer.echo(f"  {_plain(word)}")
    for key, value in rows.items():
        if value:
            typer.echo(f"{key.ljust(13)} {_plain(value)}")
    if plot is not None:
        typer.echo(f"the signals are drawn in {plot}")


@commands.command()
def ack(
    name: Id,
    config: Config = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="Who; without: your user's name.")] = None,
    note: Annotated[str | None, typer.Option(help="What you know of it.")] = None,
) -> None:
    """Say that you have taken note of an alert; the first word of it counts."""
    plant = load_plant(config, ())
    alert = find_alert(read_alerts(plant), name)
    if alert["acknowledged_by"] is not None:  # another word would change nothing
        msg = f"it is acknowledged already, {_plain(str(_by(alert, plant)))}"
        raise ConfigurationError(msg, where=alert["id"], remedy="the first word counts")
    who = getpass.getuser() if by is None else by
    acknowledge(plant, alert, who, note)
    typer.echo(f"{alert['id']} acknowledged by {_plain(who)}: {_plain(alert['message'])}")
    typer.echo("it shows as soon as the processor 'alerts' has taken it in", err=True)


def _when(time: int | None, plant: Plant) -> str | None:
    return None if time is None else site_time(time, plant)


def _by(alert: Datum, plant: Plant) -> str | None:
    if alert["acknowledged_by"] is None:
        return None
    note = f": {alert['note']}" if alert["note"] else ""
    return f"{site_time(alert['acknowledged'], plant)} by {alert['acknowledged_by']}{note}"


def _state(alert: Datum) -> str:
    """Its state, and who acknowledged it."""
    if not alert["acknowledged_by"]:
        return str(alert["state"])
    seen = f"acknowledged by {_plain(alert['acknowledged_by'])}"
    return seen if alert["state"] == "acknowledged" else f"{alert['state']}, {seen}"


def _plain(text: Any) -> str:
    r"""Text that does nothing to a terminal.

    >>> _plain("oil\x1b[2J")
    'oil?[2J'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def _json(alert: Datum) -> str:
    """JSON that every reader takes: what is no number is null."""

    def plain(value: Any) -> Any:
        match value:
            case float():
                return value if value - value == 0 else None
            case dict():
                return {name: plain(one) for name, one in value.items()}
            case list() | tuple():
                return [plain(one) for one in value]
        return value

    return json.dumps(plain(dict(alert)), allow_nan=False)
