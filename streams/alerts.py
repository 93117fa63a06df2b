"""The processor `alerts`: from anomaly scores, windows and acknowledgements to alerts.

    processors:
      alerts: {on_delay: 10 s, off_delay: 1 min, deadband: 5}

It is a conduit out of the OT zone: `ot.…` in, `dmz.alerts.v1` out.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Final

from pydantic import Field

from penstock import components
from penstock.errors import DecodeError
from penstock.kafka.topics import ACKNOWLEDGEMENTS, ALERTS, ANOMALIES, FEATURES
from penstock.operator import Operator, RecordBatch, Result
from penstock.processor import Input, Processor, ProcessorSettings
from penstock.settings.plant import Plant
from penstock.units import Duration, microseconds, parse_duration
from schemas import Acknowledgement, Alert, AnomalyScore, Version
from streams.operators import alerts
from streams.operators.alerting.history import SignalWindow
from streams.operators.alerting.parameters import AlertParameters

LEAST_WINDOW: Final = timedelta(seconds=5)
"""Windows that evidence is drawn from are the smallest of at least this size."""
_LONGEST: Final = 2_000
"""Characters of a person's note that are kept."""


class AlertSettings(ProcessorSettings):
    """When alerts are raised and cleared."""

    on_delay: Duration = Field(
        parse_duration("10 s"), description="How long a condition holds until it is raised."
    )
    off_delay: Duration = Field(
        parse_duration("1 min"), description="How long it holds no more until it is cleared."
    )
    deadband: float = Field(
        5.0,
        ge=1.0,
        description="An anomaly is over from this many times the detector's threshold on.",
    )


class AlertsProcessor(Processor):
    """Publishes alerts of assets, one per asset and cause at a time."""

    name: ClassVar[str] = "alerts"
    reads: ClassVar[tuple[Input, ...]] = (
        Input(ANOMALIES.name, "AnomalyScore"),
        Input(FEATURES.name, "WindowStatistics"),
        Input(ACKNOWLEDGEMENTS.name, "Acknowledgement"),
    )
    writes: ClassVar[str] = ALERTS.name
    record: ClassVar[str] = "Alert"
    identity: ClassVar[tuple[str, ...]] = ("id",)
    Settings: ClassVar[type[ProcessorSettings]] = AlertSettings
    settings: AlertSettings

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether something installed scores anomalies."""
        del plant
        return "anomaly-scores" in components.names("processors")

    def operator(self) -> Operator[RecordBatch]:
        """A new operator with the configuration's delays."""
        return alerts.Alerts(alert_parameters(self.plant, self.settings))

    def from_avro(self, record: str, datum: dict[str, Any]) -> Any:
        """The score, window or acknowledgement of a datum.

        Raises:
            DecodeError: It makes no sense.
        """
        return _READERS[record](datum)

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `alert.avsc`."""
        found: Alert = result.record
        fields = {name: getattr(found, name) for name in found.__slots__}
        evidence = {name: list(getattr(found.evidence, name)) for name in found.evidence.__slots__}
        return {
            **fields,
            "state": str(found.state),
            "evidence": evidence,
            "version": {
                "epoch": version.epoch,
                "offsets": list(version.offsets),
                "emission": version.emission,
            },
        }


def alert_parameters(plant: Plant, settings: AlertSettings) -> AlertParameters:
    """The configuration's delays as the operator takes them."""
    sizes = sorted(plant.windows.sizes)
    window = next((size for size in sizes if size >= LEAST_WINDOW), sizes[-1])
    units = {
        (plant.asset_path(tag.asset), tag.tag): tag.unit
        for tags in plant.tags.values()
        for tag in tags
        if tag.unit
    }
    return AlertParameters(
        on_delay=microseconds(settings.on_delay),
        off_delay=microseconds(settings.off_delay),
        deadband=settings.deadband,
        window=microseconds(window),
        units=units,
    )


def _score(datum: dict[str, Any]) -> AnomalyScore:
    if len(datum["tags"]) != len(datum["contributions"]):
        msg = f"a score has {len(datum['tags'])} tags and {len(datum['contributions'])} shares"
        raise DecodeError(msg, remedy="look at what else writes to the topic")
    columns = {name: tuple(value) for name, value in datum.items() if isinstance(value, list)}
    return AnomalyScore(**{**datum, **columns, "version": _version(datum)})


def _window(datum: dict[str, Any]) -> SignalWindow:
    tags = tuple(datum["tags"])
    means, coverages = tuple(datum["mean"]), tuple(datum["coverage"])
    if datum["window_size"] <= 0 or not len(means) == len(coverages) == len(tags):
        msg = "the columns of a window do not fit each other"
        raise DecodeError(msg, remedy="look at what else writes to the topic")
    return SignalWindow(
        asset=datum["asset"],
        source=datum["source"],
        start=datum["window_start"],
        size=datum["window_size"],
        tags=tags,
        means=means,
        coverages=coverages,
        version=_version(datum),
    )


def _acknowledgement(datum: dict[str, Any]) -> Acknowledgement:
    if not datum["by"].strip() or not datum["alert"]:
        msg = "an acknowledgement says neither by whom nor of what"
        raise DecodeError(msg, remedy="acknowledge with 'penstock alerts ack'")
    note = datum["note"]
    return Acknowledgement(
        time=datum["time"],
        by=datum["by"][:_LONGEST],
        alert=datum["alert"],
        asset=datum["asset"],
        note=None if note is None else note[:_LONGEST],
    )


def _version(datum: dict[str, Any]) -> Version:
    found = datum["version"]
    return Version(found["epoch"], tuple(found["offsets"]), found["emission"])


_READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "AnomalyScore": _score,
    "WindowStatistics": _window,
    "Acknowledgement": _acknowledgement,
}
