"""`penstock audit`."""

import json
from itertools import groupby
from typing import Annotated

import typer
from rich.box import SIMPLE
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
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not read the lake's files whole.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Hold topics, processors' books and lake against each other; exit code 1 where they differ.

    Only reads. Kafka and the registry must be up (`penstock up` starts local ones); workers may run
    or not. Counted again from the topics: records and samples of each processor, dead letters, late
    samples, and the rows of each of the lake's tables, offset by offset, of what the topics still
    hold. Tables, files and entries of a table's log that are gone or broken are named; each
    difference is one finding, of one row or many. Behind are records that the lake has yet to
    take, as it always has while the sink runs.
    """
    found = audit(load_plant(config, [("sinks",)]), quick=quick)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _show(found, Console())
    raise typer.Exit(1 if found.differences else 0)


def _show(found: Audit, console: Console) -> None:
    console.print(_books(found))
    console.print(_tables(found))
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


def _books(found: Audit) -> Table:
    """A line per partition, and one for each fate other than the wanted one; 80 columns hold it."""
    table = _table("read by", "records", "processed", "samples", "aggregated")
    for name, mine in groupby(found.processors, key=lambda one: one.processor):
        table.add_section()
        table.add_row(f"[bold]{name}")
        for one in mine:
            records, samples = dict(one.records), dict(one.samples)
            counts = (records.pop("records_in"), records.pop("processed"),
                      samples.pop("samples_in"), samples.pop("aggregated"))  # fmt: skip
            table.add_row(f"  {one.topic} {one.partition}", *(f"{count:,}" for count in counts))
            for what, count in (records | samples).items():
                if count:
                    table.add_row(f"    [yellow]{count:,} {what}")
    return table


def _tables(found: Audit) -> Table:
    table = _table("lake's table", "to offset", "behind", "rows", "expected")
    for name, rows in groupby(found.lake, key=lambda row: row.table):
        table.add_section()
        table.add_row(f"[bold]{name}")
        for row in rows:
            counts = (row.offset, row.behind, row.rows, row.expected)
            table.add_row(f"  {row.topic} {row.partition}", *(f"{count:,}" for count in counts))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(first, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in numbers:
        table.add_column(name, justify="right")
    return table
