"""The options that say which dead letters a command is about."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

import typer

from penstock.cli.times import parse_time
from penstock.dlq import Choice
from penstock.errors import ConfigurationError

_PLACE: Final = re.compile(r"[^/@]+/\d+@\d+")


class Chosen(NamedTuple):
    """The letters that are chosen; of no topic: of all."""

    topic: str | None = None
    choice: Choice = Choice()


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options in place of its first parameter, which is a `Chosen`."""
    options = list(inspect.signature(_chosen).parameters.values())
    others = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = _chosen(**{one.name: given.pop(one.name) for one in options})
        command(chosen, **given)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*options, *others)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def check_place(place: str, where: str) -> None:
    """See that a place is written as one.

    Raises:
        ConfigurationError: It is not.
    """
    if not _PLACE.fullmatch(place):
        msg = f"{place!r} is no place of a record"
        remedy = "write topic/partition@offset, as ot.sensors.v1/0@7"
        raise ConfigurationError(msg, where=where, remedy=remedy)


def _chosen(
    topic: Annotated[
        str | None, typer.Option(help="The topic that the records were read from; else all.")
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="The processor or sink that buried them.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Part of the reason, or of the error's class.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The record's key, as an asset's path.")] = None,
    place: Annotated[
        str | None, typer.Option(help="As ot.sensors.v1/0@7: partition 0, offset 7.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Buried then or later; ISO 8601, UTC if not said.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Buried before then.")] = None,
) -> Chosen:
    if place is not None:
        check_place(place, "--place")
    choice = Choice(
        component=component,
        reason=reason,
        key=key,
        place=place,
        since=None if since is None else parse_time(since, "--since"),
        until=None if until is None else parse_time(until, "--until"),
    )
    return Chosen(topic, choice)
