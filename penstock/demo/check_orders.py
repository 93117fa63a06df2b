"""Holds the ERP system's messages against the orders that the factory completed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from penstock.factory.truth_reader import Series, Truth
from penstock.settings.plant import Plant
from penstock.settings.tags import Role
from penstock.units import microseconds

EXAMPLES: Final = 8
SLACK: Final = 2
"""As many pieces that nobody saw being made are taken as made when they show."""
_COUNTERS: Final = (Role.GOOD, Role.SCRAP)

Key = tuple[str, str]
"""Asset and order."""


@dataclass(slots=True)
class OrderCheck:
    """What comparing orders found."""

    orders: int = 0
    """Completed orders that the ERP system must know of."""
    bounded: int = 0
    """Others that it was told of: nobody saw all of them, but no more can have been made."""
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count a difference and keep the first few."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def check_orders(
    truth: Truth, messages: Iterable[Mapping[str, Any]], plant: Plant, since: int
) -> OrderCheck:
    """Compare the completed orders; of the messages of one ID the greatest Version counts.

    An order must be there if it lies within the run and the machine showed its beginning, all its
    pieces and the beginning of the next one, which ends it. Where a killed PLC hid one of these,
    nobody can tell what was made for the order, and it is left out. Of a line it must be there if
    it must be of each of its machines. Of what is left out no more may be told than was made.

    Args:
        truth: Of the factory.
        messages: ProductionPerformance records of the run.
        plant: The configuration, for the tags, the lateness and the lines.
        since: Begin of the run, microseconds since 1970-01-01 UTC.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for message in messages:
        known = latest.get(message["ID"])
        if known is None or message["Version"] > known["Version"]:
            latest[message["ID"]] = message
    completed = {
        (message["HierarchyScope"], message["ProductionRequestID"]): message
        for message in latest.values()
        if message["ResponseState"] == "Completed"
    }
    found = OrderCheck()
    shown = {a: _Shown(a, truth, roles, plant) for a, roles in _followed(plant).items()}
    expected = {key: order for one in shown.values() for key, order in one.orders(since)}
    names = {(one.asset, name) for one in shown.values() for name in one.names}
    for path, line in plant.lines.items():
        full = plant.asset_path(path)
        members = [one for asset, one in shown.items() if asset.startswith(f"{full}/")]
        names |= {(full, name) for one in members for name in one.names}
        expected |= dict(_of_line(full, f"{full}/{line.output}", members, expected))
    found.orders = len(expected)
    for key, made in sorted(expected.items()):
        _compare(key, made, completed.get(key), found)
    _bound(completed, expected, truth, plant, found)
    for key in sorted(completed.keys() - names):
        found.note(f"{'/'.join(key)}: reported to ERP, but the machine never showed this order")
    return found


def _of_line(
    path: str, output: str, members: Sequence["_Shown"], expected: Mapping[Key, "_Made"]
) -> Iterator[tuple[Key, "_Made"]]:
    """The orders of a line: good pieces at its output, scrap wherever it was made."""
    for name in {order for unit, order in expected if unit == output}:
        parts = [expected[one.asset, name] for one in members if (one.asset, name) in expected]
        over = max(part.over for part in parts)
        if len(parts) == len(members) and all(over <= one.known for one in members):
            good = expected[output, name].good
            scrap = sum(part.scrap for part in parts)
            yield (path, name), parts[0]._replace(good=good, scrap=scrap, over=over)


def _compare(
    key: Key, order: "_Made", message: Mapping[str, Any] | None, found: OrderCheck
) -> None:
    name = "/".join(key)
    if message is None:
        found.note(f"{name}: completed, but never reported to ERP")
        return
    told = {made["MaterialUse"]: made["Quantity"] for made in message["MaterialActual"]}
    made = {"Produced": order.good, "Scrap": order.scrap}
    if told != made:
        found.note(f"{name}: made {made}, reported to ERP {told}")
    wanted = message["ProductionRequest"] or {}
    planned = wanted.get("MaterialDefinitionID"), wanted.get("Quantity")
    if planned != (str(order.product), order.quantity):
        found.note(f"{name}: ERP wanted {order.quantity} of {order.product}, not {planned}")


def _bound(
    completed: Mapping[Key, Mapping[str, Any]],
    expected: Mapping[Key, "_Made"],
    truth: Truth,
    plant: Plant,
    found: OrderCheck,
) -> None:
    """See that of no order more was told than was made of it, whatever nobody saw."""
    made = {(one.asset, one.order): (one.good, one.scrap, SLACK) for one in truth.orders}
    for path, line in plant.lines.items():
        full = plant.asset_path(path)
        for name in {order for asset, order in made if asset == f"{full}/{line.output}"}:
            parts = [one for key, one in made.items() if key[0].startswith(f"{full}/")
                     and key[1] == name]  # fmt: skip
            good = made[f"{full}/{line.output}", name][0]
            made[full, name] = good, sum(one[1] for one in parts), SLACK * len(parts)
    for key in sorted(completed.keys() & made.keys() - expected.keys()):
        good, scrap, slack = made[key]
        told = {one["MaterialUse"]: one["Quantity"] for one in completed[key]["MaterialActual"]}
        found.bounded += 1
        if told.get("Produced", 0) > good + slack or told.get("Scrap", 0) > scrap + slack:
            found.note(f"{'/'.join(key)}: reported to ERP {told}, but only {good} and {scrap} made")


def _followed(plant: Plant) -> dict[str, dict[Role, tuple[str, float | None]]]:
    """Tag and greatest value by role, of each asset that shows its order."""
    roles: dict[str, dict[Role, tuple[str, float | None]]] = {}
    for tag in (tag for tags in plant.tags.values() for tag in tags):
        if tag.role in (Role.ORDER, *_COUNTERS):
            roles.setdefault(plant.asset_path(tag.asset), {})[tag.role] = (tag.tag, tag.max)
    return {asset: found for asset, found in roles.items() if Role.ORDER in found}


_SILENT: Final = 2_000_000
"""Microseconds; a sensor shows something new ten times a second."""


class _Made(NamedTuple):
    """What was made of an order, and wanted; once all is known up to `over`, it is completed."""

    product: int
    quantity: int
    good: int
    scrap: int
    over: int


def _silences(asset: str, truth: Truth, roles: Collection[str]) -> Iterator[tuple[int, int]]:
    """When no sensor of a machine showed anything, as while its PLC was away."""
    sensors = [s for (a, tag), s in truth.series.items() if a == asset and tag not in roles]
    times = max((one.times for one in sensors), default=(), key=len)
    for begin, end in pairwise(times):
        if end - begin > _SILENT:
            yield int(begin), int(end)


class _Shown:
    """What one machine showed of its orders."""

    def __init__(
        self,
        asset: str,
        truth: Truth,
        roles: Mapping[Role, tuple[str, float | None]],
        plant: Plant,
    ) -> None:
        self.asset = asset
        self._orders = [order for order in truth.orders if order.asset == asset]
        self._series = {
            role: _certain(asset, truth, tag)
            for role, (tag, _) in roles.items()
            if (asset, tag) in truth.series
        }
        self._most = {role: most for role, (_, most) in roles.items()}
        self._every = microseconds(plant.kpis.every)
        heard = [int(series.times[-1]) for series in self._series.values() if len(series.times)]
        self.known = max(heard, default=0) - microseconds(plant.windows.out_of_order)
        """Up to when all is known of it."""
        shown = truth.series.get((asset, roles[Role.ORDER][0]))
        self._hidden = list(_silences(asset, truth, {tag for tag, _ in roles.values()}))
        self.names = set() if shown is None else set(shown.values.tolist())

    def orders(self, since: int) -> Iterator[tuple[Key, _Made]]:
        """Those of which it showed all since then."""
        shown = self._series.get(Role.ORDER)
        if shown is None:
            return
        changed = np.flatnonzero(shown.values[1:] != shown.values[:-1]) + 1
        changes = list(zip(shown.times[changed].tolist(), shown.values[changed], strict=True))
        ends = {begin: end for (begin, _), (end, _) in pairwise(changes)}
        names = dict(changes)
        for order in self._orders:
            end = ends.get(order.start)
            if order.start < since or end is None:
                continue
            if any(
                begin < end <= over or begin < order.start <= over + _SILENT
                for begin, over in self._hidden
            ):
                continue  # which of the pieces made meanwhile were of this order, nobody saw
            over = (end // self._every + 1) * self._every  # of the pane that shows the next one
            made = [self._made(role, order.start, end) for role in _COUNTERS]
            shown_so = names[order.start] == order.order and made == [order.good, order.scrap]
            if shown_so and over <= self.known:
                parts = (order.product, order.quantity, order.good, order.scrap)
                yield (self.asset, order.order), _Made(*parts, over)

    def _made(self, role: Role, begin: int, end: int) -> float | None:
        """By how much a counter had grown at `end` since `begin`; None if it was not shown."""
        if role not in self._series:
            return None
        series = self._series[role]
        first, last = np.searchsorted(series.times, (begin, end)) - 1
        if first < 0:
            return None
        grown = float(series.values[last] - series.values[first])
        most = self._most[role]
        return grown if grown >= 0 or most is None else grown + most + 1


def _certain(asset: str, truth: Truth, tag: str) -> Series:
    """A tag's samples without those that a kill may have kept from going out."""
    series = truth.series[asset, tag]
    went = [(asset, time) not in truth.uncertain for time in series.times.tolist()]
    return Series(series.times[went], series.values[went])
