"""The processor `order-performance`: from ERP's orders and their figures to what ERP is told.

    processors:
      order-performance: {keep: 14 d}

It is a conduit from the DMZ to IT: `dmz.kpis.v1` in, with `it.erp.orders.v1` beside it, and
`it.erp.production-performance.v1` out.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from penstock.errors import DecodeError
from penstock.kafka.topics import KPIS, ORDERS, PERFORMANCE
from penstock.operator import Operator, RecordBatch, Result
from penstock.processor import Input, Processor, ProcessorSettings
from penstock.settings.plant import Plant
from penstock.units import Duration, microseconds, parse_duration
from schemas import OrderWindow, ProductionOrder, ProductionPerformance, Version
from schemas.orders import CANCELLED, RELEASED
from streams.operators import order_performance
from streams.operators.kpis.windows import ORDER
from streams.operators.orders.parameters import OrderParameters
from streams.production import follows_production, line_units

_PRODUCED = "Produced"
_EACH = "EA"
_VERSIONS = 10**6
"""More than there are messages of an order in the life of a state."""


class OrderPerformanceSettings(ProcessorSettings):
    """How long orders can change."""

    keep: Duration = Field(
        parse_duration("14 d"),
        description="For how long after an order has ended, or was due, what comes of it is taken.",
    )


class OrderPerformanceProcessor(Processor):
    """Tells ERP when orders start, and what was made when they are completed or revised."""

    name: ClassVar[str] = "order-performance"
    reads: ClassVar[tuple[Input, ...]] = (
        Input(KPIS.name, "KpiWindow"),
        Input(ORDERS.name, "ProductionOrder"),
    )
    writes: ClassVar[str] = PERFORMANCE.name
    record: ClassVar[str] = "ProductionPerformance"
    identity: ClassVar[tuple[str, ...]] = ("id",)
    Settings: ClassVar[type[ProcessorSettings]] = OrderPerformanceSettings
    settings: OrderPerformanceSettings

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether there are KPIs, and so figures of orders."""
        return follows_production(plant)

    def operator(self) -> Operator[RecordBatch]:
        """A new operator with the plant's planned run times."""
        return order_performance.OrderPerformance(order_parameters(self.plant, self.settings))

    def from_avro(self, record: str, datum: dict[str, Any]) -> OrderWindow | ProductionOrder:
        """The order, or the figures of one.

        Raises:
            DecodeError: It makes no sense.
        """
        return _window(datum) if record == "KpiWindow" else _order(datum)

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `production_performance.avsc`.

        Its Version grows with the revision, and over a reset of the state with the epoch.
        """
        found: ProductionPerformance = result.record
        pieces = ((_PRODUCED, found.good), ("Scrap", found.scrap))
        return {
            "ID": found.id,
            "Version": version.epoch * _VERSIONS + found.revision,
            "HierarchyScope": found.unit,
            "ProductionRequestID": found.order,
            "ResponseState": "Completed" if found.completed else "Started",
            "StartTime": found.start,
            "EndTime": found.end,
            "MaterialActual": [
                {"MaterialUse": use, "Quantity": quantity, "UnitOfMeasure": _EACH}
                for use, quantity in pieces
                if not math.isnan(quantity)
            ],
            "Revision": found.revision,
            "ProductionRequest": _request(found),
            "Flags": list(found.flags),
        }


def order_parameters(plant: Plant, settings: OrderPerformanceSettings) -> OrderParameters:
    """The plant's planned run times as the operator takes them."""
    run_times: dict[str, Mapping[str, float]] = {}
    for line in line_units(plant):
        run_times |= {unit.asset: unit.run_times for unit in line.units}
        if line.is_line:  # a part of the state's fingerprint also where it has no times
            serial = line.flow == "serial" and line.constraint
            run_times[line.line] = serial.run_times if serial else {}
    return OrderParameters(keep=microseconds(settings.keep), run_times=run_times)


def _window(datum: dict[str, Any]) -> OrderWindow:
    version = datum["version"]
    return OrderWindow(
        unit=datum["asset"] or datum["line"],
        order=datum["name"] if datum["kind"] == ORDER else "",
        start=datum["window_start"],
        end=datum["window_end"],
        final=datum["final"],
        good=_figure(datum["good"]),
        scrap=_figure(datum["scrap"]),
        watermark=datum["watermark"],
        flags=tuple(datum["flags"]),
        version=Version(version["epoch"], tuple(version["offsets"]), version["emission"]),
    )


def _figure(value: float | None) -> float:
    return math.nan if value is None else value


def _order(datum: dict[str, Any]) -> ProductionOrder:
    produced = [one for one in datum["MaterialRequirement"] if one["MaterialUse"] == _PRODUCED]
    wrong = ""
    if not datum["ID"]:
        wrong = "it has no ID"
    elif len(produced) != 1:
        wrong = f"it is to produce {len(produced)} materials, not one"
    elif not 0 <= produced[0]["Quantity"] < math.inf:
        wrong = f"its quantity is {produced[0]['Quantity']}"
    elif datum["EndTime"] < datum["StartTime"]:
        wrong = "it ends before it starts"
    elif datum["RequestState"] not in (RELEASED, CANCELLED):
        wrong = f"its state is {datum['RequestState']!r}, neither {RELEASED} nor {CANCELLED}"
    if wrong:
        msg = f"order {datum['ID']!r}: {wrong}"
        raise DecodeError(msg, remedy="see ProductionOrder in docs/reference/schemas.md")
    return ProductionOrder(
        order=datum["ID"],
        version=datum["Version"],
        scope=datum["HierarchyScope"],
        start=datum["StartTime"],
        end=datum["EndTime"],
        state=datum["RequestState"],
        product=produced[0]["MaterialDefinitionID"],
        quantity=produced[0]["Quantity"],
        unit=produced[0]["UnitOfMeasure"],
    )


def _request(found: ProductionPerformance) -> dict[str, Any] | None:
    order = found.request
    if order is None:
        return None
    seconds = found.planned_run_time
    return {
        "Version": order.version,
        "HierarchyScope": order.scope,
        "RequestState": order.state,
        "MaterialDefinitionID": order.product,
        "Quantity": order.quantity,
        "UnitOfMeasure": order.unit,
        "StartTime": order.start,
        "EndTime": order.end,
        "PlannedRunTime": None if math.isnan(seconds) else seconds,
    }
