"""`penstock connectors browse | read | watch | load | import`: what a device has and says."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from penstock import components
from penstock.cli.plant import DEFAULT_CONFIG, Config, SourceName
from penstock.commissioning.load import measure
from penstock.commissioning.offers import Browses, ImportsTags, Interpretation, Node, ReadsAddresses
from penstock.commissioning.rows import append_row, as_csv, rows_of, rows_of_tags
from penstock.commissioning.tree import tree
from penstock.commissioning.watching import Watched, like, value_text, watch_source
from penstock.connector import Connector, Sample
from penstock.errors import ConfigurationError
from penstock.settings.loader import load_source
from penstock.settings.problems import InvalidConfigurationError, suggestion
from penstock.settings.references import twice
from penstock.settings.tag_lists import read_tags
from penstock.settings.tags import Tag
from penstock.settings.yaml_file import read_yaml

Asset = Annotated[
    str | None, typer.Option(help="Asset of all rows.", show_default="the folders' names")
]


class Form(StrEnum):
    """How what was found is shown."""

    tree = "tree"
    csv = "csv"
    json = "json"


def register(commands: typer.Typer) -> None:
    """Add the commands to their family."""
    for command in (browse, read, watch, load):
        commands.command()(command)
    commands.command("import")(import_tags)


def browse(
    source: SourceName,
    config: Config = DEFAULT_CONFIG,
    root: Annotated[
        str | None, typer.Option(help="Address to begin at.", show_default="the source's data")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Levels.", show_default="all")] = None,
    match: Annotated[
        str | None,
        typer.Option(help="Only values whose path is like this, as */press07/*, in any case."),
    ] = None,
    form: Annotated[Form, typer.Option("--as", help="How it is shown.")] = Form.tree,
    asset: Asset = None,
) -> None:
    """Show what a source has: as a tree, as rows for a tag list, or as JSON.

    One request at a time, within the server's limits.
    """
    connector = load_source(config, source)
    if not isinstance(connector, Browses):
        raise _not_offered(connector, "browse", Browses)
    found = asyncio.run(_collect(connector.browse(root, depth)))
    if match is not None:
        found = [n for n in found if n.type is not None and like("/".join(n.path), match)]
    if form is Form.csv:
        typer.echo(as_csv(list(rows_of(found, asset))), nl=False)
    elif form is Form.json:
        for node in found:
            typer.echo(json.dumps(node._asdict(), ensure_ascii=False))
    else:
        for line in tree(found):
            typer.echo(line)
    values = sum(node.is_value for node in found)
    arrays = sum(node.is_array for node in found)
    told = f", {arrays} arrays, which cannot be tags" if arrays else ""
    typer.echo(f"{values} values, {len(found) - values - arrays} folders{told}", err=True)


async def _collect(nodes: AsyncIterator[Node]) -> list[Node]:
    return [node async for node in nodes]


def _not_offered(connector: Connector, word: str, kind: type) -> ConfigurationError:
    offering = [
        name
        for name in components.names("connectors")
        if issubclass(components.load("connectors", name), kind)
    ]
    msg = f"source {connector.name!r} is of type {connector.settings.type!r}, which cannot {word}"
    remedy = f"these can: {', '.join(offering) or 'none'}"
    return ConfigurationError(msg, remedy=remedy)


def read(
    source: SourceName,
    address: Annotated[str, typer.Argument(help="As a tag list writes it.")],
    config: Config = DEFAULT_CONFIG,
    type_: Annotated[
        str | None, typer.Option("--type", help="Type of the value.", show_default="any")
    ] = None,
    order: Annotated[str | None, typer.Option(help="Word and byte order.")] = None,
    guess: Annotated[
        bool, typer.Option("--guess", help="Show the implausible ways to read it, too.")
    ] = False,
    pick: Annotated[
        int | None, typer.Option(min=1, help="Write this line as a row of the tag list.")
    ] = None,
    asset: Annotated[str | None, typer.Option(help="Asset of that row.")] = None,
    tag: Annotated[str | None, typer.Option(help="Tag of that row.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of that row.")] = None,
) -> None:
    """Read an address that need not be in the tag list: in one way, or in all plausible ones."""
    connector = load_source(config, source)
    if not isinstance(connector, ReadsAddresses):
        raise _not_offered(connector, "read", ReadsAddresses)
    if pick is not None:
        _judge_place(config, asset, tag)
    found = asyncio.run(connector.read_address(address, type_=type_, order=order))
    shown = found if guess else [one for one in found if one.plausible] or found
    if pick is not None and pick > len(shown):
        msg = f"there is no line {pick}: it takes 1 to {len(shown)}"
        raise typer.BadParameter(msg, param_hint="--pick")
    Console().print(_table(shown))
    if not guess and len(shown) < len(found):
        typer.echo(f"{len(found) - len(shown)} implausible ways more: --guess shows them")
    if pick is None:
        return
    chosen = shown[pick - 1]
    row = {"asset": asset, "tag": tag, "address": chosen.address, "type": chosen.type,
           "order": chosen.order, "unit": unit}  # fmt: skip
    path = connector.settings.tags
    append_row(path, {name: value for name, value in row.items() if value})
    typer.echo(f"{path}: added {asset} {tag}")


def _judge_place(config: Path, asset: str | None, tag: str | None) -> None:
    """Refuse a row that would make the configuration invalid, before anything is read."""
    if asset is None or tag is None:
        msg = "it needs --asset and --tag"
        raise typer.BadParameter(msg, param_hint="--pick")
    known = read_yaml(config).data.get("assets") or {}
    if asset not in known:
        msg = f"{asset!r} is not in the configuration's 'assets'"
        remedy = suggestion(asset, known) or f"add it there: {asset}: {{}}"
        raise ConfigurationError(msg, where="--asset", remedy=remedy)


def _table(found: Sequence[Interpretation]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "address", "type", "order", "value", "", "why"):
        table.add_column(name, overflow="fold")
    for number, one in enumerate(found, 1):
        why = f"{one.reason}; {one.note}" if one.note else one.reason
        table.add_row(str(number), one.address, one.type or "", one.order or "",
                      value_text(one.value), "" if one.plausible else "✗", why)  # fmt: skip
    return table


def watch(
    source: SourceName,
    config: Config = DEFAULT_CONFIG,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Then end.", show_default="until Ctrl-C")
    ] = None,
    match: Annotated[
        str | None, typer.Option(help="Only tags like this, as *current*; in any case.")
    ] = None,
) -> None:
    """Show a source's values as they come; Kafka is not needed."""
    connector = load_source(config, source)
    console = Console()
    watched = Watched(connector.tags, match)
    if not console.is_terminal:

        def tell(samples: Sequence[Sample]) -> None:
            for sample in watched.take(samples):
                typer.echo(watched.line(sample))

        asyncio.run(watch_source(connector, tell, seconds))
        return
    with Live(watched.table(), console=console, refresh_per_second=4) as live:

        def draw(samples: Sequence[Sample]) -> None:
            watched.take(samples)
            live.update(watched.table())

        asyncio.run(watch_source(connector, draw, seconds))


def load(
    source: SourceName,
    config: Config = DEFAULT_CONFIG,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long it is measured.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Measure what reading a source costs the device: sockets, requests, bytes; writes are 0."""
    found = asyncio.run(measure(load_source(config, source), seconds))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    for name, value in (
        ("measured", f"{found.seconds:.1f} s"),
        ("sockets", f"{found.sockets}"),
        ("requests", f"{found.requests:.1f}/s"),
        ("sent", f"{found.bytes_sent:.0f} bytes/s"),
        ("received", f"{found.bytes_received:.0f} bytes/s"),
        ("samples", f"{found.samples:.1f}/s"),
        ("errors", f"{found.errors}"),
        ("writes", f"{found.writes}"),
    ):
        typer.echo(f"{name:<10}{value}")


def import_tags(
    file: Annotated[Path, typer.Argument(help="A tag list in any dialect, or a nodeset (XML).")],
    output: Annotated[
        Path | None, typer.Option(help="File for the tag list.", show_default="shown")
    ] = None,
    asset: Asset = None,
) -> None:
    """Make a tag list (CSV in UTF-8) of another tag list or of an engineering tool's file."""
    reader = _reader(file)
    rows = list(rows_of(reader.import_tags(file), asset) if reader else rows_of_tags(_listed(file)))
    if not rows:
        raise ConfigurationError("has no values", where=str(file))  # noqa: EM101
    if output is None:
        typer.echo(as_csv(rows), nl=False)
    elif output.exists():
        msg, remedy = "is there already", "name another file, or remove it"
        raise ConfigurationError(msg, where=str(output), remedy=remedy)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(as_csv(rows), encoding="utf-8")
    typer.echo(f"{len(rows)} tags of {len({row['asset'] for row in rows})} assets", err=True)


def _listed(file: Path) -> tuple[Tag, ...]:
    tags = read_tags(file)
    if problems := list(twice(tags)):
        raise InvalidConfigurationError(problems)
    return tags


def _reader(file: Path) -> type[ImportsTags] | None:
    """The connector that reads files of this kind; None for tag lists."""
    for name in components.names("connectors"):
        connector: type = components.load("connectors", name)
        if issubclass(connector, ImportsTags) and file.suffix.lower() in connector.suffixes:
            return connector
    return None
