"""Holds the ERP system's messages against the orders that the factory completed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from penstock.factory.truth_reader import OrderRecord, Series, Truth
from penstock.settings.plant import Plant
from penstock.settings.tags import Role
from penstock.units import microseconds

EXAMPLES: Final = 8
_COUNTERS: Final = (Role.GOOD, Role.SCRAP)

Key = tuple[str, str]
"""Asset and order."""


@dataclass(slots=True)
class OrderCheck:
    """What comparing orders found."""

    orders: int = 0
    """Completed orders that the ERP system must know of."""
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
    nobody can tell what was made for the order, and it is left out.

    Args:
        truth: Of the factory.
        messages: ProductionPerformance records of the run.
        plant: The configuration, for the tags and the lateness.
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
    shown = [_Shown(asset, truth, roles, plant) for asset, roles in _followed(plant).items()]
    expected = {key: order for one in shown for key, order in one.orders(since)}
    found.orders = len(expected)
    for key, order in sorted(expected.items()):
        _compare(key, order, completed.get(key), found)
    names = {(one.asset, name) for one in shown for name in one.names}
    for key in sorted(completed.keys() - names):
        found.note(f"{'/'.join(key)}: reported to ERP, but the machine never showed this order")
    return found


def _compare(
    key: Key, order: OrderRecord, message: Mapping[str, Any] | None, found: OrderCheck
) -> None:
    name = "/".join(key)
    if message is None:
        found.note(f"{name}: completed, but never reported to ERP")
        return
    told = {made["MaterialUse"]: made["Quantity"] for made in message["MaterialActual"]}
    made = {"Produced": order.good, "Scrap": order.scrap}
    if told != made:
        found.note(f"{name}: made {made}, reported to ERP {told}")


def _followed(plant: Plant) -> dict[str, dict[Role, tuple[str, float | None]]]:
    """Tag and greatest value by role, of each asset that shows its order."""
    roles: dict[str, dict[Role, tuple[str, float | None]]] = {}
    for tag in (tag for tags in plant.tags.values() for tag in tags):
        if tag.role in (Role.ORDER, *_COUNTERS):
            roles.setdefault(plant.asset_path(tag.asset), {})[tag.role] = (tag.tag, tag.max)
    return {asset: found for asset, found in roles.items() if Role.ORDER in found}


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
        self._lateness = microseconds(plant.windows.out_of_order)
        shown = truth.series.get((asset, roles[Role.ORDER][0]))
        self.names = set() if shown is None else set(shown.values.tolist())

    def orders(self, since: int) -> Iterator[tuple[Key, OrderRecord]]:
        """Those of which it showed all since then."""
        shown = self._series.get(Role.ORDER)
        if shown is None:
            return
        changed = np.flatnonzero(shown.values[1:] != shown.values[:-1]) + 1
        changes = list(zip(shown.times[changed].tolist(), shown.values[changed], strict=True))
        ends = {begin: end for (begin, _), (end, _) in pairwise(changes)}
        names = dict(changes)
        heard = max(int(series.times[-1]) for series in self._series.values() if len(series.times))
        for order in self._orders:
            end = ends.get(order.start)
            if order.start < since or end is None or end + self._lateness > heard:
                continue
            made = [self._made(role, order.start, end) for role in _COUNTERS]
            if names[order.start] == order.order and made == [order.good, order.scrap]:
                yield (self.asset, order.order), order

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
