"""What the plant plans and how it counts: calendars, machine states and KPI conventions."""

import re
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from penstock.settings.model import Model
from penstock.settings.problems import suggestion
from penstock.units import Duration, PositiveDuration, format_duration, parse_duration

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DAY_MINUTES: Final = 24 * 60
_MINUTE: Final = timedelta(minutes=1)
RULE: Final = re.compile(
    r"(?P<tag>\S+) (?P<comparison><=|>=|<|>) (?P<limit>-?\d+(\.\d+)?)( (?P<unit>(?!for )\S+))?"
    r"( for (?P<duration>.+))?"
)


def _time_of_day(text: str) -> str:
    if not _TIME.fullmatch(text):
        msg = f"{text!r} is no time of day: write it as '06:00'"
        raise ValueError(msg)
    return text


def _span(text: str) -> str:
    begin, _, end = text.partition("-")
    if not (_TIME.fullmatch(begin) and _TIME.fullmatch(end)):
        msg = f"{text!r} is no span of the day: write it as '22:00-06:00'"
        raise ValueError(msg)
    return text


def _rule(text: str) -> str:
    found = RULE.fullmatch(text)
    if not found:
        msg = f"{text!r} is no rule: write it as 'motor_current > 4 A for 5 s'"
        raise ValueError(msg)
    if found["duration"]:
        parse_duration(found["duration"])
    return text


def _minute(time: str) -> int:
    """Of the day."""
    return int(time[:2]) * 60 + int(time[3:])


def _minutes(span: str) -> set[int]:
    """The minutes of the day that a span holds; from a time to the same time is a whole day."""
    begin, end = map(_minute, span.split("-"))
    length = (end - begin - 1) % _DAY_MINUTES + 1
    return {(begin + n) % _DAY_MINUTES for n in range(length)}


TimeOfDay = Annotated[str, AfterValidator(_time_of_day), Field(examples=["06:00"])]
"""Local time at the site, `HH:MM`."""
Span = Annotated[str, AfterValidator(_span), Field(examples=["22:00-06:00"])]
"""From one time of day to another, over midnight where the second is earlier."""
Rule = Annotated[str, AfterValidator(_rule), Field(examples=["motor_current > 4 A for 5 s"])]
"""A tag, a comparison, a limit with its unit, and for how long it must hold."""
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
TimeElement = Literal["producing", "setup", "delay", "failure", "no_order", "unknown"]
"""Where a machine's time goes (ISO 22400-2)."""


class States(Model):
    """How a machine's own states, or a rule about a signal, say where its time goes.

    Either `state` with lists of its codes, or `producing_when`.
    """

    state: str | None = Field(None, description="Tag that holds the state's code.")
    mode: str | None = Field(None, description="Tag that holds the mode's code.")
    producing: tuple[int, ...] = ()
    setup_modes: tuple[int, ...] = Field((), description="Modes in which all time is setup.")
    delay: tuple[int, ...] = ()
    failure: tuple[int, ...] = ()
    no_order: tuple[int, ...] = ()
    unmapped: TimeElement = Field("unknown", description="What every other state counts as.")
    producing_when: Rule | None = Field(None, description="Rule for machines without states.")
    otherwise: TimeElement = Field("unknown", description="What counts when the rule is false.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.state is None) == (self.producing_when is None):
            msg = "says either 'state' or 'producing_when': write one of the two"
            raise ValueError(msg)
        codes = [*self.producing, *self.delay, *self.failure, *self.no_order]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            msg = f"state {twice[0]} is in two lists: leave it in one"
            raise ValueError(msg)
        return self


class PlannedStop(Model):
    """A stop that is no loss: it is not planned to produce then."""

    name: str
    shift: str
    at: TimeOfDay
    duration: Duration = Field(alias="for")


class Calendar(Model):
    """When it is planned to produce."""

    shifts: dict[str, Span] = Field(min_length=1)
    days: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri")
    planned_stops: tuple[PlannedStop, ...] = ()
    holidays: Path | None = Field(None, description="iCalendar file, relative to this file.")
    free_days: frozenset[date] = Field(frozenset(), exclude=True)

    @field_validator("free_days", mode="before")
    @classmethod
    def _only_from_holidays(cls, days: Any) -> Any:
        if not isinstance(days, frozenset):
            msg = "it is read from 'holidays': name an iCalendar file there"
            raise ValueError(msg)
        return days

    @model_validator(mode="after")
    def _shifts_apart(self) -> Self:
        for (first, one), (second, other) in combinations(self.shifts.items(), 2):
            if _minutes(one) & _minutes(other):
                msg = (
                    f"shifts {first!r} ({one}) and {second!r} ({other}) overlap: let one end first"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _stops_in_shifts(self) -> Self:
        for stop in self.planned_stops:
            if stop.shift not in self.shifts:
                remedy = suggestion(stop.shift, self.shifts)
                msg = f"planned stop {stop.name!r} is in no shift {stop.shift!r}: {remedy}"
                raise ValueError(msg)
            span = self.shifts[stop.shift]
            if _minute(stop.at) not in _minutes(span):
                msg = (
                    f"planned stop {stop.name!r} at {stop.at} is outside its shift "
                    f"{stop.shift!r} ({span})"
                )
                raise ValueError(msg)
        return self


class Kpis(Model):
    """Conventions that are stated on every figure."""

    standard: Literal["iso22400", "tpm"] = "iso22400"
    no_order_counts: Literal["down", "not_planned"] = Field(
        "down", description="Whether time without an order counts against availability."
    )
    minor_stop_below: Duration = parse_duration("2 min")
    same_failure_within: Duration = Field(
        parse_duration("60 s"), description="Restarts of the same failure are one."
    )
    every: PositiveDuration = Field(
        parse_duration("1 min"),
        description="From one figure of a window that runs or slides to the next; divides a "
        "minute. Of the sizes of 'windows', those that are multiples of it have KPIs.",
    )
    sliding: PositiveDuration = Field(
        parse_duration("1 h"), description="Length of the sliding window, a multiple of 'every'."
    )
    reopen_for: Duration = Field(
        parse_duration("1 h"),
        description="How long after its time a late sample still revises figures.",
    )
    failures_over: PositiveDuration = Field(
        parse_duration("30 d"), description="Over which time MTBF and MTTR are taken."
    )
    plausible_rate: float = Field(
        3.0,
        gt=0,
        description="A counter that goes up faster than this times the planned rate has jumped.",
    )

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        every = format_duration(self.every)
        if _MINUTE % self.every:
            msg = (
                f"every {every!r} does not divide a minute: write '5 s', '10 s', '30 s' or '1 min'"
            )
            raise ValueError(msg)
        if self.sliding % self.every:
            msg = f"sliding {format_duration(self.sliding)!r} is no multiple of every {every!r}"
            raise ValueError(msg)
        return self
