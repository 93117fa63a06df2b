"""Holds published KPIs against figures computed from the factory's ground truth.

A window is compared if every cycle of it, of the second before and of two behind, went out, and all
of the stops at its borders; while a killed PLC was silent nobody can know what its machines did.
Of all others more than can be made in the time that is known is wrong.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.demo.true_kpis import Machine, line_figures
from penstock.factory.truth_reader import Truth
from penstock.settings.plant import Plant
from penstock.units import format_duration, microseconds

TOLERANCE: Final = 1e-9
EXAMPLES: Final = 8
FASTEST: Final = 1.1
"""Planned by real time of a piece, at most."""
BORDER: Final = 3.0
"""Planned seconds of the pieces that may be read in one window and made in another."""


@dataclass(slots=True)
class KpiCheck:
    """What comparing KPIs found."""

    checked: int = 0
    """Figures that were compared, balances and bounds."""
    wrong: int = 0
    orders_closed: int = 0
    """Orders of lines whose figures are final."""
    windows: int = 0
    """Windows that were compared."""
    bounded: int = 0
    """Others that were published: those of which nobody saw all, or that have not ended."""
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count a difference and keep the first few."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def check_kpis(
    truth: Truth, records: Iterable[Mapping[str, Any]], plant: Plant, since: int, until: int
) -> KpiCheck:
    """Compare the figures of settled windows, and see that every balance closes.

    Args:
        truth: Of the factory.
        records: KpiWindow records of the run.
        plant: The configuration.
        since: Begin of the run, microseconds since 1970-01-01 UTC.
        until: Windows that end later may not have closed.
    """
    found = KpiCheck()
    latest = _latest(records)
    for record in latest.values():
        _balance(record, found)
        _bound(record, found)
    found.bounded = len(latest)
    machines = {plant.asset_path(asset): Machine(asset, truth, plant) for asset in plant.assets}
    for asset, machine in machines.items():
        for kind, name, size, step in _sizes(plant):
            for span in machine.settled(since, until, size, step):
                key = f"{asset}/{kind}/{name}/{span[0]}"
                _compare(key, latest.get(key), machine.figures(span), found)
        for order in machine.orders(since, until):
            key = f"{asset}/order/{order.order}"
            _compare(key, latest.get(key), machine.order_figures(order), found)
    for path, line in plant.lines.items():
        full = plant.asset_path(path)
        members = {a: m for a, m in machines.items() if a.startswith(f"{full}/")}
        constraint, output = (members[f"{full}/{n}"] for n in (line.constraint, line.output))
        for kind, name, size, step in _sizes(plant):
            for span in constraint.settled(since, until, size, step):
                if all(one.complete(span) for one in members.values()):
                    key = f"{full}/{kind}/{name}/{span[0]}"
                    wanted = line_figures(list(members.values()), constraint, output, span)
                    _compare(key, latest.get(key), wanted, found)
    found.orders_closed = sum(
        one["kind"] == "order" and one["scope"] == "line" and one["final"]
        for one in latest.values()
    )
    return found


def _sizes(plant: Plant) -> Iterator[tuple[str, str, int, int]]:
    """(kind, name, size, step) of the windows that are compared."""
    every = microseconds(plant.kpis.every)
    sizes = [(microseconds(size), size) for size in plant.windows.sizes]
    for size, written in sizes:
        if size % every == 0:
            yield "size", format_duration(written), size, size
    sliding = microseconds(plant.kpis.sliding)
    yield "sliding", format_duration(plant.kpis.sliding), sliding, every


def _latest(records: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Of each id the record of the greatest version."""
    best: dict[str, Mapping[str, Any]] = {}
    for record in records:
        known = best.get(record["id"])
        if known is None or _version(record) > _version(known):
            best[record["id"]] = record
    return best


def _version(record: Mapping[str, Any]) -> tuple[int, list[int], int]:
    version = record["version"]
    return version["epoch"], version["offsets"], version["emission"]


def _balance(record: Mapping[str, Any], found: KpiCheck) -> None:
    whole = record["work_units"] * (record["until"] - record["window_start"])
    told = sum(one["duration"] for one in record["balance"])
    found.checked += 1
    if told != whole:
        found.note(f"{record['id']}: the balance holds {told} of {whole} us")


def _bound(record: Mapping[str, Any], found: KpiCheck) -> None:
    """See that a window shows no more than can be made in the time of it that is known.

    No machine of the factory makes a piece much faster than planned.
    """
    known = sum(one["duration"] for one in record["balance"] if one["element"] != "unknown") / 1e6
    run = record["good_run_time"] or 0.0
    found.checked += 1
    if run > FASTEST * known + BORDER * record["work_units"]:
        found.note(f"{record['id']}: good pieces for {run:.0f} s in {known:.0f} s that are known")


def _compare(
    key: str, record: Mapping[str, Any] | None, wanted: Mapping[str, float], found: KpiCheck
) -> None:
    found.windows += 1
    found.checked += len(wanted)
    if record is None:
        found.note(f"{key}: never published")
        return
    found.bounded -= 1
    if not record["final"]:
        found.note(f"{key}: never final")
    for name, expected in wanted.items():
        value = record[name] if name in record else record["kpis"][name]
        got = math.nan if value is None else value
        both = math.isnan(got) and math.isnan(expected)
        if not both and not math.isclose(got, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            found.note(f"{key}: {name} is {got}, should be {expected}")
