"""The processor `anomaly-scores`: sensor events in, how unlike its normal each asset is out.

    processors:
      anomaly-scores:
        detector: pca
        grid: 1 s
        monitor: {warm_up: 600}
        leave_out: ["stamping/line1/press07:SetSpeed", "utilities/*"]

All of it has defaults. `penstock.anomaly.monitor` says what is learned and when an alarm is raised.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from penstock import components
from penstock.anomaly.settings import MonitorSettings
from penstock.detector import Detector, DetectorSettings
from penstock.errors import ConfigurationError
from penstock.kafka.topics import ANOMALIES, SENSORS
from penstock.operator import Operator, Result
from penstock.processor import Input, Processor, ProcessorSettings
from penstock.settings.plant import Plant
from penstock.settings.production import States
from penstock.settings.tags import Role, Tag
from penstock.units import Duration, PositiveDuration, microseconds, parse_duration
from penstock.work_units import rule_of, told_by
from schemas import AnomalyScore, Version
from streams.operators import anomaly_scores
from streams.operators.anomalies.parameters import AnomalyParameters, Rule, WatchedAsset


class AnomalyScoresSettings(ProcessorSettings):
    """What is watched, by which detector."""

    detector: str = Field("pca", description="Name of the detector.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="The detector's own settings, as {variance: 0.9}."
    )
    monitor: MonitorSettings = Field(
        default_factory=MonitorSettings, description="Learning and alarms."
    )
    grid: PositiveDuration = Field(
        parse_duration("1 s"), description="From one score of an asset to the next."
    )
    max_age: PositiveDuration = Field(
        parse_duration("10 s"),
        description="A value counts no more once its source has been silent for longer.",
    )
    settle: Duration = Field(
        parse_duration("30 s"),
        description="How long after a standstill a machine is still held to be in setup.",
    )
    watch: tuple[str, ...] = Field(
        ("*",), description="Tags, as asset:tag, that are watched; * is any text."
    )
    leave_out: tuple[str, ...] = Field(
        (), description="Assets, or tags as asset:tag, that are not watched; * is any text."
    )

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        try:
            self.detector_settings()
        except (ConfigurationError, ImportError) as error:
            raise ValueError(str(error)) from error
        return self

    def detector_settings(self) -> DetectorSettings:
        """The detector's own settings.

        Raises:
            ConfigurationError: There is no such detector, or it has no such setting.
        """
        kind: type[Detector] = components.load("detectors", self.detector)
        try:
            return kind.Settings.model_validate(self.options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            msg = f"option {where!r} of detector {self.detector!r}: {first['msg']}"
            known = ", ".join(sorted(kind.Settings.model_fields)) or "none"
            raise ConfigurationError(msg, remedy=f"its options: {known}") from error


def anomaly_parameters(plant: Plant, settings: AnomalyScoresSettings) -> AnomalyParameters:
    """The plant's assets, and the processor's settings, as the operator takes them."""
    return AnomalyParameters(
        grid=microseconds(settings.grid),
        max_age=microseconds(settings.max_age),
        settle=microseconds(settings.settle),
        out_of_order=microseconds(plant.windows.out_of_order),
        clock_ahead=microseconds(plant.windows.clock_ahead),
        detector=settings.detector,
        make=components.load("detectors", settings.detector),
        options=settings.detector_settings(),
        monitor=settings.monitor,
        assets=_watched(plant, settings.watch, settings.leave_out),
    )


def _watched(
    plant: Plant, watch: tuple[str, ...], leave_out: tuple[str, ...]
) -> Mapping[str, WatchedAsset]:
    """What is known of each asset that the tag lists or `assets` name."""
    others: dict[str, set[str]] = {asset: set() for asset in plant.assets}
    for tags in plant.tags.values():
        for tag in tags:
            named = others.setdefault(tag.asset, set())
            name = f"{tag.asset}:{tag.tag}"
            wanted = _matches(name, watch) and not _matches(name, leave_out)
            if tag.role is not Role.SIGNAL or not wanted:
                named.add(tag.tag)
    return {
        plant.asset_path(asset): WatchedAsset(
            others=frozenset(tags),
            rule=_rule(plant, asset),
            enabled=not _matches(asset, leave_out),
        )
        for asset, tags in others.items()
    }


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _rule(plant: Plant, asset: str) -> Rule | None:
    """When an asset runs, by its `states`; None: always."""
    known = plant.assets.get(asset)
    states = plant.states.get(known.states) if known and known.states else None
    tags = [tag for tags in plant.tags.values() for tag in tags if tag.asset == asset]
    return None if states is None else _rule_of(states, tags)


def _rule_of(states: States, tags: Sequence[Tag]) -> Rule:
    state, mode = (told_by(role, states, tags) for role in (Role.STATE, Role.MODE))
    if (signal := rule_of(states)) is not None:
        return Rule(signal=signal)
    return Rule(
        state=state.tag if state else "",
        producing=frozenset(states.producing),
        mode=mode.tag if mode and states.setup_modes else "",
        setup_modes=frozenset(states.setup_modes),
    )


class AnomalyScoresProcessor(Processor):
    """Publishes an `AnomalyScore` of every asset and moment of the grid."""

    name: ClassVar[str] = "anomaly-scores"
    reads: ClassVar[tuple[Input, ...]] = (Input(SENSORS.name),)
    writes: ClassVar[str] = ANOMALIES.name
    record: ClassVar[str] = "AnomalyScore"
    identity: ClassVar[tuple[str, ...]] = ("asset", "source", "time", "detector")
    Settings: ClassVar[type[ProcessorSettings]] = AnomalyScoresSettings

    @cached_property
    def parameters(self) -> AnomalyParameters:
        """What the operators of all partitions go by."""
        return anomaly_parameters(self.plant, self.settings)

    def operator(self) -> Operator:
        """A new operator with the plant's assets."""
        return anomaly_scores.AnomalyScores(self.parameters)

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `anomaly_score.avsc`."""
        found: AnomalyScore = result.record
        names = [name for name in AnomalyScore.__slots__ if name != "version"]
        stored = {
            "epoch": version.epoch,
            "offsets": list(version.offsets),
            "emission": version.emission,
        }
        return {**{name: getattr(found, name) for name in names}, "version": stored}
