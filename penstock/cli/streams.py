"""`penstock streams …`: look at the stream processors, park them, start them anew."""

import json
from collections.abc import Iterator
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Column, Table

from penstock import components
from penstock.cli.plant import DEFAULT_CONFIG, Config
from penstock.cli.times import parse_time
from penstock.clock import now
from penstock.errors import StateError, TopicError
from penstock.processor import Processor, chosen
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant
from penstock.state.administration import Administration
from penstock.state.overview import PartitionOverview, ProcessorOverview, overview, unfit

_FEW: Final = ("topic", "partition", "lag", "watermark\nbehind", "snapshot", "state")
_ALL: Final = (
    "topic", "partition", "epoch", "next", "end", "lag", "snapshot", "size", "watermark behind",
    "records in", "processed · duplicate · dead", "samples in", "aggregated · bad · late",
)  # fmt: skip

commands = typer.Typer(
    name="streams", help="Look at the stream processors, park or reset them.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(metavar="PROCESSOR", help="As window-statistics.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command()
def status(
    config: Config = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="All columns, for wide terminals.")] = False,
) -> None:
    """Show how far each processor is, by what is stored in Kafka; workers may be down."""
    plant = load_plant(config, ())
    found = [_overview(plant, processor) for processor in chosen(plant)]
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in found], indent=2))
        return
    console = Console()
    for one in found:
        _show(one, console, wide=wide)


@commands.command()
def check(
    processors: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROCESSOR]...", help="Only these.", show_default="all that would run"
        ),
    ] = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """See that this release and configuration can go on with the stored state; exit code 3 if not.

    For before an upgrade: nothing is changed, and workers may run. What a person parked, or what
    kept failing, is told of and is no reason against it.
    """
    plant, refused = load_plant(config, ()), 0
    for processor in [_processor(plant, name) for name in processors or ()] or chosen(plant):
        try:
            found = unfit(plant, processor)
        except TopicError:  # it never ran
            found = {}
        for number, error in found.items():
            typer.echo(f"{processor.name}, partition {number}: {error}", err=True)
        refused += len(found)
        typer.echo(f"{processor.name}: {'cannot' if found else 'can'} go on")
    if refused:
        raise typer.Exit(StateError.exit_code)


@commands.command()
def park(
    processor: Name,
    reason: Annotated[str, typer.Option(help="Shown until it is resumed.")] = "no reason given",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Let a processor's workers store what they have and stand still; they stay alive."""
    plant = load_plant(config, ())
    Administration(plant, _processor(plant, processor)).park(reason)
    typer.echo(f"{processor} is parked: {reason}")


@commands.command()
def resume(processor: Name, config: Config = DEFAULT_CONFIG) -> None:
    """Let a processor go on, also partitions that were parked because they kept failing."""
    plant = load_plant(config, ())
    one = _processor(plant, processor)
    before = _overview(plant, one)
    Administration(plant, one).resume()
    stood = before.parked or any(row.parked for row in before.partitions)
    typer.echo(f"{processor} goes on" if stood else f"{processor} was not parked")


@commands.command()
def reset(
    processor: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    to_time: Annotated[
        str | None,
        typer.Option(help="Windows from then on; by the site's clock, if no offset says."),
    ] = None,
    to_beginning: Annotated[
        bool, typer.Option("--to-beginning", help="From the first record that is kept.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Start a processor anew, with empty state, in a new epoch.

    Its results come beside the old ones with greater versions, so that sinks take them over one by
    one; where none comes, the old one stays. With --to-time, that is so of all windows that began
    before it and were told of; one that was still open is told with what was read of it. With
    --to-beginning, the first windows hold no more than what the topics still do. The old state is
    kept until the new one has come as far. Refused while workers run, unless it is parked.
    """
    if (to_time is None) is not to_beginning:
        msg = "say one of --to-time TIME and --to-beginning"
        raise typer.BadParameter(msg)
    if not yes:
        msg = "this throws the state away: say --yes"
        raise typer.BadParameter(msg)
    plant = load_plant(config, ())
    zone = ZoneInfo(plant.site.timezone)
    time = None if to_time is None else parse_time(to_time, "--to-time", zone)
    control = Administration(plant, _processor(plant, processor)).reset(time)
    typer.echo(f"{processor} starts anew in epoch {control.epoch}")
    for topic, starts in control.starts.items():
        offsets = ", ".join(str(at) for _, at in sorted(starts.items()))
        typer.echo(f"  {topic} from offsets {offsets}")
    if control.parked:
        typer.echo(f"It is parked; go on with: penstock streams resume {processor}")


def _overview(plant: Plant, processor: Processor) -> ProcessorOverview:
    try:
        return overview(plant, processor)
    except TopicError:  # it never ran
        return ProcessorOverview(processor.name, 0, None, ())


def _processor(plant: Plant, name: str) -> Processor:
    processor: Processor = components.load("processors", name)(plant)
    return processor


def _show(found: ProcessorOverview, console: Console, *, wide: bool) -> None:
    workers = f"{found.workers} worker{'' if found.workers == 1 else 's'}"
    console.print(f"[bold]{found.processor}[/]  {workers}")
    if found.parked:
        console.print(f"  [yellow]parked[/] {found.parked}", highlight=False)
    if not found.partitions:
        console.print("  it never ran")
        return
    table = Table(*(Column(name, overflow="fold") for name in (_ALL if wide else _FEW)))
    for one in found.partitions:
        table.add_row(*(_cells(one) if wide else _few_cells(one, found.workers)))
    console.print(table)
    for one in found.partitions:
        if one.parked and not found.parked:
            console.print(f"  [red]parked[/] {one.partition}: {one.parked}", highlight=False)
        if one.rebuilds_until is not None:
            console.print(f"  {one.partition}: rebuilding, at {one.offset} of {one.rebuilds_until}")


def _few_cells(one: PartitionOverview, workers: int) -> Iterator[str]:
    yield from (one.topic, str(one.partition), f"{one.lag:,}", _behind(one))
    yield _snapshot(one)
    if one.parked:
        yield "parked"
    elif not workers:
        yield "no worker"
    else:
        yield "ready" if one.rebuilds_until is None else "rebuilding"


def _snapshot(one: PartitionOverview) -> str:
    """Another machine's clock may be ahead of ours."""
    return "–" if one.snapshot_age is None else f"{_span(max(0.0, one.snapshot_age))} ago"


def _behind(one: PartitionOverview) -> str:
    """From the source that is ahead to the one that is most behind; one span where they agree."""
    time, marks = now(), (one.watermark_greatest, one.watermark_least)
    spans = ["–" if mark is None else _span((time - mark) / 1e6) for mark in marks]
    return " … ".join(dict.fromkeys(spans))


def _cells(one: PartitionOverview) -> Iterator[str]:
    yield from (one.topic, str(one.partition), "–" if one.epoch is None else str(one.epoch))
    yield from (f"{one.offset:,}", f"{one.end:,}", f"{one.lag:,}")
    yield _snapshot(one)
    yield f"{one.snapshot_bytes:,} B in {one.snapshot_rows:,} rows"
    yield _behind(one)
    for books in (one.records, one.samples):
        first, *others = [
            f"{count:,}" for name, count in books.items() if name not in {"lost", "retried"}
        ]
        yield first
        yield " · ".join(others)


def _span(seconds: float) -> str:
    """A duration for people.

    >>> _span(0.25), _span(90), _span(7200), _span(3 * 86400)
    ('0.2 s', '90 s', '2.0 h', '3.0 d')
    """
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004
