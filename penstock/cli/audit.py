"""`penstock audit`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from penstock.audit import Audit, audit
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.settings.loader import load_plant


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="audit")(run)


def run(
    config: Config = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Hold topics, processors' books and lake against each other; exit code 1 where they differ.

    Only reads; workers may run or not. Counted again from the topics: records and samples of each
    processor, dead letters, late samples, and the lake's rows offset by offset. Files that the
    lake's log names and that are gone are named, with the offsets that they held.
    """
    found = audit(load_plant(config, [("sinks",)]))
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _show(found, Console())
    raise typer.Exit(1 if found.differences else 0)


def _show(found: Audit, console: Console) -> None:
    books = Table("processor", "topic", "partition", "offsets", "records in",
                  "processed", "duplicate", "dead", "lost", "samples in", "aggregated", "bad",
                  "late")  # fmt: skip
    for one in found.processors:
        counts = [f"{count:,}" for count in (*one.records.values(), *one.samples.values())]
        books.add_row(
            one.processor, one.topic, str(one.partition), f"{one.start}–{one.offset}", *counts
        )
    tables = Table("table", "topic", "partition", "to offset", "rows", "expected")
    for row in found.lake:
        tables.add_row(row.table, row.topic, str(row.partition), f"{row.offset:,}",
                       f"{row.rows:,}", f"{row.expected:,}")  # fmt: skip
    console.print(books)
    console.print(tables)
    for unseen in (one for one in found.processors if one.unseen):
        console.print(
            f"{unseen.processor}, {unseen.topic}[{unseen.partition}]: the topic no longer holds "
            f"{unseen.unseen} records of the books; their samples are not counted again"
        )
    for each in found.differences:
        console.print(
            f"[red]differs[/] {each.where}: {each.what}: expected {each.expected}, "
            f"found {each.found}", highlight=False,
        )  # fmt: skip
    console.print(f"{len(found.differences)} differences")
