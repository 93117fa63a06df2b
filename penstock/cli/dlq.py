"""`penstock dlq …`: look at dead letters, have them taken again, or close them."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from penstock import dlq
from penstock.cli.choosing import Chosen, check_place, choosing
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.tables import show_rows
from penstock.dlq import Choice, Letter
from penstock.dlq.letters import topics_with_letters
from penstock.errors import ConfigurationError
from penstock.kafka.dead_letters import came_with, header_texts
from penstock.processor import chosen as processors_of
from penstock.runtime.topics import topics_of_plant
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant

_SHOWN_BYTES: Final = 64

commands = typer.Typer(
    name="dlq", help="Look at dead letters, have them taken again, or close them.",
    no_args_is_help=True,
)  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per letter.")]
All = Annotated[bool, typer.Option("--all", help="All open letters, where no filter is given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command(name="list")
@choosing
def list_(
    chosen: Chosen,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Count the open dead letters, by component and reason; `--json` gives each."""
    letters = list(_open(config, chosen))
    if as_json:
        for letter in letters:
            typer.echo(json.dumps(_summary(letter)))
        return
    _show(letters)


@commands.command()
def show(
    place: Annotated[str, typer.Argument(help="As ot.sensors.v1/0@7: partition 0, offset 7.")],
    stacktrace: Annotated[bool, typer.Option(help="Also where in the code it failed.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one record's open letters whole: why, by whom, its headers and its bytes."""
    check_place(place, "PLACE")
    topic = place.rpartition("/")[0]
    letters = list(_open(config, Chosen(topic or None, Choice(place=place))))
    if not letters:
        msg = f"there is no open dead letter of {place}"
        raise ConfigurationError(msg, remedy="see 'penstock dlq list --json' for those there are")
    for letter in letters:
        whole = _summary(letter) | {
            "stage": letter.origin.stage,
            "headers": header_texts(came_with(letter.headers)),
            "stacktrace": header_texts(letter.headers)["__connect.errors.exception.stacktrace"],
            "value": None if letter.value is None else letter.value.hex(),
        }
        if as_json:
            typer.echo(json.dumps(whole))
        else:
            console = Console(soft_wrap=True, highlight=False)
            _show_whole(letter, whole, console)
            if stacktrace:
                console.print(whole["stacktrace"], markup=False)


@commands.command()
@choosing
def retry(
    chosen: Chosen,
    everything: All = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Have components take letters again that they buried, each exactly once.

    Mend the cause first: what fails again becomes a dead letter again. A component that does not
    run takes them when it next does.
    """
    choice = _some(chosen, everything)
    plant = load_plant(config, [("sinks",)])
    topics = _topics(plant, chosen)
    _tell("to be taken again", [one for name in topics for one in dlq.retry(plant, name, choice)])


@commands.command()
@choosing
def drop(
    chosen: Chosen,
    everything: All = False,
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Close letters for good; they stay in their topic as long as that keeps them."""
    choice = _some(chosen, everything)
    if not yes:
        msg = "a dropped letter cannot be taken again: say --yes"
        raise typer.BadParameter(msg)
    plant = load_plant(config, [("sinks",)])
    topics = _topics(plant, chosen)
    _tell("dropped", [one for name in topics for one in dlq.drop(plant, name, choice)])


def _some(chosen: Chosen, everything: bool) -> Choice:
    if chosen == Chosen() and not everything:
        msg = "say which: --component, --reason, --key, --place, --since, --until, --topic or --all"
        raise typer.BadParameter(msg)
    return chosen.choice


def _topics(plant: Plant, chosen: Chosen) -> Sequence[str]:
    """The topics whose letters are meant; what is chosen must be of the configuration, or there."""
    found = topics_with_letters(plant.kafka)
    if chosen.topic:
        known = {*found, *(topic.name for topic in topics_of_plant(plant))}
        _check_known("topic", chosen.topic, known)
    if component := chosen.choice.component:
        known = {*plant.sinks, *(one.name for one in processors_of(plant))}
        topics = [chosen.topic] if chosen.topic else found
        if component not in known:
            read = (dlq.read_letters(plant.kafka, name, Choice()) for name in topics)
            known |= {letter.origin.component for letters in read for letter in letters}
            _check_known("component", component, known)
    return [chosen.topic] if chosen.topic else found


def _check_known(what: str, name: str, known: set[str]) -> None:
    if name not in known:
        msg = f"there is no {what} {name!r}"
        remedy = f"there are: {', '.join(sorted(known))}"
        raise ConfigurationError(msg, where=f"--{what}", remedy=remedy)


def _open(config: Path, chosen: Chosen) -> Iterator[Letter]:
    plant = load_plant(config, [("sinks",)])
    for name in _topics(plant, chosen):
        yield from dlq.read_letters(plant.kafka, name, chosen.choice)


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "place": letter.origin.place,
        "component": letter.origin.component,
        "attempt": letter.origin.attempt,
        "time": _time(letter),
        "key": letter.key_text,
        "error": letter.error,
        "reason": letter.reason,
    }


def _time(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.time / 1e6, UTC).isoformat(timespec="seconds")


def _show(letters: list[Letter]) -> None:
    if not letters:
        typer.echo("there is no open dead letter")
        return
    groups: dict[tuple[str, str, str], list[Letter]] = {}
    for letter in letters:
        key = (letter.origin.component, letter.origin.topic, letter.error)
        groups.setdefault(key, []).append(letter)
    rows: list[tuple[Any, ...]] = [
        (*group, len(found), _time(found[-1]), found[-1].origin.place)
        for group, found in sorted(groups.items())
    ]
    names = ["component", "topic", "error", "letters", "last at", "last place"]
    show_rows(names, rows, as_json=False)
    for (component, _, error), found in sorted(groups.items()):
        typer.echo(f"{component}, {error}: {found[-1].reason}")
    typer.echo(f"{len(letters):,} open dead letters")


def _show_whole(letter: Letter, whole: dict[str, Any], console: Console) -> None:
    value = letter.value
    shown = "none" if value is None else value[:_SHOWN_BYTES].hex(" ")
    size = 0 if value is None else len(value)
    for name in ("place", "component", "stage", "attempt", "time", "key", "error", "reason"):
        console.print(f"{name:<10}{whole[name]}", markup=False)
    for name, text in whole["headers"].items():
        console.print(f"{'header':<10}{name}: {text}", markup=False)
    console.print(f"{'value':<10}{size} bytes: {shown}{' …' if size > _SHOWN_BYTES else ''}")


def _tell(what: str, letters: list[Letter]) -> None:
    for component, count in sorted(Counter(one.origin.component for one in letters).items()):
        typer.echo(f"{component}: {count:,} dead letters {what}")
    if not letters:
        typer.echo("no open dead letter is chosen")
