"""`penstock topics …` and `penstock selftest`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from penstock import components
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.tables import show_rows
from penstock.errors import ConfigurationError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.describe import Describer
from penstock.kafka.topics import SAMPLES
from penstock.runtime.process import Component, process
from penstock.runtime.rights import rights_of_plant
from penstock.runtime.selftest import selftest as run_selftest
from penstock.runtime.topics import topics_of_plant
from penstock.settings.loader import load_plant

commands = typer.Typer(
    name="topics", help="The topics of a plant: what there is, what is missing.",
    no_args_is_help=True,
)  # fmt: skip
FLATTEN: Final = "flatten"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)
    app.command()(selftest)


@commands.command(name="list")
def list_(
    config: Config = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per topic.")] = False,
) -> None:
    """List the topics that a configuration needs, whether they are there, and their partitions.

    All of them must have as many partitions as the configuration says: those that have not are
    named, and components refuse them.
    """
    plant = load_plant(config, ())
    found = Describer(plant.kafka).partitions()
    wanted, agreed = topics_of_plant(plant), plant.kafka.partitions
    rows = [
        (one.name, one.record, one.retention_ms, one.name in found, found.get(one.name))
        for one in wanted
    ]
    show_rows(["topic", "record", "retention_ms", "exists", "partitions"], rows, as_json)
    if others := [one.name for one in wanted if found.get(one.name, agreed) != agreed]:
        msg = f"not the {agreed} partitions of the configuration: {', '.join(others)}"
        typer.echo(f"{msg} ('penstock topics create' says what to do)", err=True)


@commands.command()
def create(config: Config = DEFAULT_CONFIG) -> None:
    """Create the topics that are missing, and hold the others against their contract.

    Components do so themselves where their user may; this is for one who may in their place.
    """
    plant = load_plant(config, ())
    before = Describer(plant.kafka).names()
    wanted = topics_of_plant(plant)
    ensure_topics(plant.kafka, wanted)
    for topic in wanted:
        if topic.name not in before:
            typer.echo(f"created {topic.name}")
    typer.echo(f"{len(wanted)} topics are as agreed, {plant.kafka.partitions} partitions each")


@commands.command()
def acls(
    config: Config = DEFAULT_CONFIG,
    component: Annotated[
        str | None, typer.Option(help="Only of this one, as sink/lake or console.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="With the right to create missing topics.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per resource.")] = False,
) -> None:
    """List the rights in Kafka that each component needs, for access lists (ACLs).

    The least that suffices; Read and Write imply Describe. Asks nobody: Kafka need not be there.
    `tools` is who gives the commands of this program; `console` the web page.
    """
    found = rights_of_plant(load_plant(config, ()), create=create)
    if component is not None and component not in found:
        msg = f"the configuration has no component {component!r}"
        raise ConfigurationError(msg, where=str(config), remedy=f"it has: {', '.join(found)}")
    rows = [
        (name, right.resource, right.name, right.pattern, _words(right.operations, as_json))
        for name, rights in found.items()
        for right in rights
        if component in {None, name}
    ]
    show_rows(["component", "resource", "name", "pattern", "operations"], rows, as_json)


def _words(operations: tuple[str, ...], as_json: bool) -> object:
    return operations if as_json else ", ".join(operations)


@commands.command()
def flatten(
    config: Config = DEFAULT_CONFIG,
    topic: Annotated[str, typer.Option(help="Where the samples go.")] = SAMPLES.name,
    run_dir: Annotated[Path, typer.Option(help="Folder for notes and local data.")] = Path(
        ".penstock/run"
    ),
) -> None:
    """Write each sample as a record of its own, until Ctrl-C.

    For SQL engines and tools that dislike arrays. Ended or killed, it goes on where it was; each
    sample is there once for who reads committed records only. A sink of type flatten in the
    configuration does the same under `penstock run`.
    """
    from penstock.runtime.worker import work  # noqa: PLC0415  # loads Kafka's clients

    plant = load_plant(config)
    settings = components.load("sinks", FLATTEN).Settings(type=FLATTEN, topic=topic)
    plant = plant.model_copy(update={"sinks": {**plant.sinks, FLATTEN: settings}})
    component = Component("sink", FLATTEN)
    with process(component, run_dir) as status:
        work(component, plant, status, run_dir / "data" / str(component))


def selftest(
    config: Config = DEFAULT_CONFIG,
    seconds: Annotated[float, typer.Option(min=1, help="To wait for the window.")] = 60.0,
) -> None:
    """Send a sample through Kafka and wait for its window; exit code 1 where none comes.

    The sample is of the asset penstock/selftest below the site, and kept like any other.
    """
    passed = run_selftest(load_plant(config, ()), seconds)
    typer.echo(f"{passed.asset}: its window came after {passed.seconds:.1f} s")
