"""The processors `line-partials` and `line-statistics`: from assets to lines, in two stages."""

from typing import Any, ClassVar

from penstock.errors import DecodeError
from penstock.kafka.topics import LINES, PARTIALS, SENSORS
from penstock.lines import lines_of
from penstock.operator import Operator, RecordBatch, Result
from penstock.processor import Input, Processor
from penstock.settings.plant import Plant
from penstock.units import microseconds
from schemas import LinePartial, LineStatistics, Version
from streams.operators import line_partials, line_statistics
from streams.operators.lines.parameters import LineParameters
from streams.window_statistics import window_parameters


def line_parameters(plant: Plant) -> LineParameters:
    """The plant's windows and lines as operators take them."""
    windows = plant.windows
    return LineParameters(
        windows=window_parameters(windows),
        lines=lines_of(plant),
        deadline=microseconds(windows.deadline),
    )


class LinePartialsProcessor(Processor):
    """Publishes what each asset contributes to the windows of its line, keyed by line."""

    name: ClassVar[str] = "line-partials"
    reads: ClassVar[tuple[Input, ...]] = (Input(SENSORS.name),)
    writes: ClassVar[str] = PARTIALS.name
    record: ClassVar[str] = "LinePartial"
    identity: ClassVar[tuple[str, ...]] = (
        "line",
        "asset",
        "source",
        "window_start",
        "window_size",
    )

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether the plant has lines with members."""
        return bool(lines_of(plant))

    def operator(self) -> Operator:
        """A new operator with the plant's lines."""
        return line_partials.LinePartials(line_parameters(self.plant))

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `line_partial.avsc`."""
        found: LinePartial = result.record
        return _datum(found, version)


class LineStatisticsProcessor(Processor):
    """Publishes statistics of lines, from the partials of their assets."""

    name: ClassVar[str] = "line-statistics"
    reads: ClassVar[tuple[Input, ...]] = (Input(PARTIALS.name, "LinePartial"),)
    writes: ClassVar[str] = LINES.name
    record: ClassVar[str] = "LineStatistics"
    identity: ClassVar[tuple[str, ...]] = ("line", "window_start", "window_size")

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether the plant has lines with members."""
        return bool(lines_of(plant))

    def operator(self) -> Operator[RecordBatch]:
        """A new operator with the plant's lines."""
        return line_statistics.LineStatistics(line_parameters(self.plant))

    def from_avro(self, record: str, datum: dict[str, Any]) -> LinePartial:
        """The partial of a datum of `line_partial.avsc`.

        Raises:
            DecodeError: It makes no sense.
        """
        version = datum["version"]
        offsets = tuple(version["offsets"])
        fields = {**datum, "version": Version(version["epoch"], offsets, version["emission"])}
        if datum["window_size"] < 0 or datum["covered"] < 0:
            msg = "a partial of a line has a negative duration"
            raise DecodeError(msg, remedy="look at what else writes to the topic")
        return LinePartial(**fields)

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `line_statistics.avsc`."""
        found: LineStatistics = result.record
        return {**_datum(found, version), "missing": list(found.missing)}


def _datum(found: LinePartial | LineStatistics, version: Version) -> dict[str, Any]:
    names = [name for name in found.__slots__ if name != "version"]
    stored = {
        "epoch": version.epoch,
        "offsets": list(version.offsets),
        "emission": version.emission,
    }
    return {**{name: getattr(found, name) for name in names}, "version": stored}
