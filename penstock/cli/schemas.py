"""`penstock schemas …`: the schemas of the topics, here and in the registry."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.tables import show_rows
from penstock.codec.generic import is_current
from penstock.errors import ConfigurationError, IncompatibleSchemaError
from penstock.kafka.registry import Registry
from penstock.kafka.topics import TOPICS, Topic
from penstock.settings.loader import load_plant
from schemas import SCHEMAS, schema

commands = typer.Typer(
    name="schemas", help="The schemas of the topics, here and in the registry.",
    no_args_is_help=True,
)  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per topic.")]
Topics = Annotated[
    list[str] | None, typer.Argument(metavar="[TOPIC]...", help="As ot.sensors.v1; else all.")
]


class _Row(NamedTuple):
    topic: str
    record: str
    id: int | None
    version: int | None
    registered: str


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command(name="list")
def list_(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List the topics' schemas, and what the registry has of them."""
    with _registry(config) as registry:
        rows = [_row(topic, registry) for topic in TOPICS]
    show_rows(list(_Row._fields), [tuple(row) for row in rows], as_json)


@commands.command()
def show(
    record: Annotated[str | None, typer.Argument(help="As SensorEvent.")] = None,
    schema_id: Annotated[
        int | None, typer.Option("--id", help="Instead: of the registry, the one of this id.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Print a schema: one of ours, or one of the registry."""
    if (record is None) is (schema_id is None):
        msg = "say a record or --id"
        raise typer.BadParameter(msg)
    found: Any
    if schema_id is not None:
        with _registry(config) as registry:
            found = json.loads(registry.schema(schema_id))
    elif record in SCHEMAS:
        found = schema(str(record))
    else:
        msg = f"there is no record {record!r}"
        raise ConfigurationError(msg, remedy=f"there are: {', '.join(SCHEMAS)}")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@commands.command()
def check(topics: Topics = None, config: Config = DEFAULT_CONFIG) -> None:
    """See that the registry would take our schemas; exit code 1 where it would not.

    Nothing is registered.
    """
    refused = []
    with _registry(config) as registry:
        for topic in _chosen(topics):
            if registry.registered(topic.name) is not None and not registry.takes(
                topic.name, str(topic.record)
            ):
                refused.append(topic)
    for topic in refused:
        typer.echo(f"{topic.name}: {topic.record} would break readers of what is registered")
    typer.echo(f"{len(refused)} schemas would be refused")
    raise typer.Exit(1 if refused else 0)


@commands.command(name="register")
def register_(topics: Topics = None, config: Config = DEFAULT_CONFIG) -> None:
    """Register our schemas, where their writers may not do so themselves."""
    refused: list[IncompatibleSchemaError] = []
    with _registry(config) as registry:
        for topic in _chosen(topics):
            try:
                schema_id = registry.register(topic.name, str(topic.record))
            except IncompatibleSchemaError as error:
                refused.append(error)
            else:
                typer.echo(f"{topic.name}: {topic.record} has id {schema_id}")
    if refused:
        raise refused[0]


@contextmanager
def _registry(config: Path) -> Iterator[Registry]:
    with closing(Registry(load_plant(config, ()).registry)) as registry:
        yield registry


def _row(topic: Topic, registry: Registry) -> _Row:
    record, found = str(topic.record), registry.registered(topic.name)
    if found is None:
        return _Row(topic.name, record, None, None, "no")
    state = "as here" if is_current(found.text, record) else "another version"
    return _Row(topic.name, record, found.id, found.version, state)


def _chosen(names: list[str] | None) -> list[Topic]:
    known = {topic.name: topic for topic in TOPICS}
    for name in names or ():
        if name not in known:
            msg = f"there is no topic {name!r}"
            raise ConfigurationError(msg, remedy=f"there are: {', '.join(known)}")
    return [known[name] for name in names or known]
