"""The processors `production-partials` and `line-kpis`: from states and counters to KPIs."""

import math
from functools import cache
from typing import Any, ClassVar

from penstock import components
from penstock.errors import ConfigurationError, DecodeError
from penstock.kafka.topics import KPIS, PRODUCTION, SENSORS
from penstock.operator import Operator, RecordBatch, Result
from penstock.processor import Input, Processor
from penstock.settings.plant import Line, Plant
from penstock.units import microseconds
from penstock.work_units import WorkUnit, work_units
from schemas import (
    FailureTime,
    KpiWindow,
    LateChange,
    ProductionPartial,
    ProductionPieces,
    ProductionTime,
    Version,
)
from streams.operators import line_kpis, production_partials
from streams.operators.kpis.kpi import Kpi
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.windows import window_plan
from streams.operators.production.parameters import ProductionParameters


def production_parameters(plant: Plant) -> ProductionParameters:
    """The plant's work units and conventions as operators take them."""
    windows, kpis = plant.windows, plant.kpis
    late = [one.out_of_order for one in windows.sizes.values() if one.out_of_order is not None]
    return ProductionParameters(
        units=work_units(plant),
        every=microseconds(kpis.every),
        out_of_order=microseconds(max([windows.out_of_order, *late])),
        hold=microseconds(windows.hold),
        clock_ahead=microseconds(windows.clock_ahead),
        reopen_for=microseconds(kpis.reopen_for),
        minor_stop_below=microseconds(kpis.minor_stop_below),
        plausible_rate=kpis.plausible_rate,
    )


class ProductionPartialsProcessor(Processor):
    """Publishes where each asset's time went and what it made, pane by pane, keyed by line."""

    name: ClassVar[str] = "production-partials"
    reads: ClassVar[tuple[Input, ...]] = (Input(SENSORS.name),)
    writes: ClassVar[str] = PRODUCTION.name
    record: ClassVar[str] = "ProductionPartial"
    identity: ClassVar[tuple[str, ...]] = ("asset", "pane_start", "pane_size")

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether there are assets to follow."""
        return follows_production(plant)

    def operator(self) -> Operator:
        """A new operator with the plant's work units."""
        return production_partials.ProductionPartials(production_parameters(self.plant))

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `production_partial.avsc`."""
        found: ProductionPartial = result.record
        named = {name: getattr(found, name) for name in found.__slots__ if name != "version"}
        nested = ("times", "pieces", "failures", "late")
        rows = {name: [one._asdict() for one in named[name]] for name in nested}
        return {**named, **rows, "flags": list(found.flags), "version": stored(version)}


def kpi_parameters(plant: Plant) -> KpiParameters:
    """The plant's lines, windows and conventions as operators take them."""
    kpis, windows = plant.kpis, plant.windows
    sizes = sorted(microseconds(size) for size in windows.sizes)
    return KpiParameters(
        lines=line_units(plant),
        plan=window_plan(kpis, sizes),
        kpis=installed_kpis(),
        standard=kpis.standard,
        no_order_counts=kpis.no_order_counts,
        same_failure_within=microseconds(kpis.same_failure_within),
        reopen_for=microseconds(kpis.reopen_for),
        deadline=microseconds(windows.deadline),
    )


@cache
def installed_kpis() -> tuple[Kpi, ...]:
    """All figures that installed packages offer, by name.

    Raises:
        ConfigurationError: Two of them have the same name.
    """
    found: dict[str, Kpi] = {}
    for family in components.names("kpis"):
        for kpi in components.load("kpis", family):
            if kpi.name in found:
                msg = f"there are two KPIs {kpi.name!r}"
                raise ConfigurationError(msg, remedy="rename one, or uninstall its package")
            found[kpi.name] = kpi
    return tuple(found[name] for name in sorted(found))


def line_units(plant: Plant) -> list[LineUnits]:
    """The lines that have work units, and the units that are in none, by path."""
    members: dict[str, list[WorkUnit]] = {}
    for unit in work_units(plant):
        members.setdefault(unit.line, []).append(unit)
    settings = {plant.asset_path(path): line for path, line in plant.lines.items()}
    found = []
    for path, units in sorted(members.items()):
        line = settings.get(path, Line(flow="parallel"))
        named = {unit.asset: unit for unit in units}
        found.append(
            LineUnits(
                line=path,
                flow=line.flow,
                units=tuple(units),
                constraint=named.get(f"{path}/{line.constraint}"),
                output=named.get(f"{path}/{line.output}"),
            )
        )
    return found


class LineKpisProcessor(Processor):
    """Publishes the KPIs of assets and lines, from the assets' panes."""

    name: ClassVar[str] = "line-kpis"
    reads: ClassVar[tuple[Input, ...]] = (Input(PRODUCTION.name, "ProductionPartial"),)
    writes: ClassVar[str] = KPIS.name
    record: ClassVar[str] = "KpiWindow"
    identity: ClassVar[tuple[str, ...]] = ("id",)

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether there are assets to follow."""
        return follows_production(plant)

    def operator(self) -> Operator[RecordBatch]:
        """A new operator with the plant's lines."""
        return line_kpis.LineKpiOperator(kpi_parameters(self.plant))

    def from_avro(self, record: str, datum: dict[str, Any]) -> ProductionPartial:
        """The partial of a datum of `production_partial.avsc`.

        Raises:
            DecodeError: It makes no sense.
        """
        version = datum["version"]
        if datum["pane_size"] < 0 or any(one["duration"] < 0 for one in datum["times"]):
            msg = "a partial of production has a negative duration"
            raise DecodeError(msg, remedy="look at what else writes to the topic")
        nested = {
            "times": ProductionTime,
            "pieces": ProductionPieces,
            "failures": FailureTime,
            "late": LateChange,
        }
        rows = {name: tuple(kind(**one) for one in datum[name]) for name, kind in nested.items()}
        made = Version(version["epoch"], tuple(version["offsets"]), version["emission"])
        return ProductionPartial(
            **{**datum, **rows, "flags": tuple(datum["flags"]), "version": made}
        )

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `kpi_window.avsc`; what is NaN is null."""
        found: KpiWindow = result.record
        named = {name: getattr(found, name) for name in found.__slots__}
        for name in ("produced", "good", "scrap", "planned_run_time", "good_run_time"):
            named[name] = _known(named[name])
        return named | {
            "missing": list(found.missing),
            "balance": [one._asdict() for one in found.balance],
            "kpis": {name: _known(value) for name, value in found.kpis.items()},
            "conventions": dict(found.conventions),
            "flags": list(found.flags),
            "inputs": [
                {
                    "asset": one.asset,
                    "panes": one.panes,
                    "late": one.late,
                    "watermark": one.watermark,
                    "partials_version": stored(one.partials_version),
                }
                for one in found.inputs
            ],
            "version": stored(version),
        }


def follows_production(plant: Plant) -> bool:
    """Whether a plant says what the states of an asset mean: without, there are no KPIs."""
    return any(asset.states for asset in plant.assets.values())


def _known(figure: float) -> float | None:
    return None if math.isnan(figure) else figure


def stored(version: Version) -> dict[str, Any]:
    """A version as schemas have it."""
    return {
        "epoch": version.epoch,
        "offsets": list(version.offsets),
        "emission": version.emission,
    }
