"""When a machine is scored: while a signal has said for long enough that it produces."""

from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from penstock.anomaly.settings import MonitorSettings
from penstock.cli import anomalies
from penstock.factory import write_factory
from penstock.work_units import Rule as SignalRule
from streams.operators.anomalies.aligned import SAMPLE
from streams.operators.anomalies.asset import Asset
from streams.operators.anomalies.parameters import AnomalyParameters, Rule, WatchedAsset
from streams.operators.detectors.pca import Pca

SECOND = 1_000_000


def asset(duration: int) -> Asset:
    """A pump that produces while its current has been above 4 A for so many seconds."""
    rule = Rule(signal=SignalRule("current", ">", 4.0, duration * SECOND))
    parameters = AnomalyParameters(
        grid=SECOND, max_age=10 * SECOND, settle=0, out_of_order=0, clock_ahead=SECOND,
        detector="pca", make=Pca, options=Pca.Settings(), monitor=MonitorSettings(),
    )  # fmt: skip
    return Asset("pump", WatchedAsset(rule=rule), parameters)


def states(pump: Asset, *currents: float, start: int = 1) -> list[str]:
    """The state of each second's row, of one value per second."""
    samples = np.zeros(len(currents), SAMPLE)
    samples["tag"], samples["source"] = pump.aligned.tag("current"), pump.aligned.source("plc")
    samples["time"] = (np.arange(len(currents)) + start) * SECOND
    samples["value"] = currents
    return [one.state for one in pump.take(samples, int(samples["time"][-1]))]


def test_a_signal_must_hold_for_its_duration_before_the_machine_is_scored() -> None:
    found = states(asset(3), 1, 5, 5, 5, 5, 1, 5)
    assert found == ["frozen"] * 4 + ["warming_up"] + ["frozen"] * 2


def test_without_a_duration_it_is_scored_at_once() -> None:
    assert states(asset(0), 1, 5, 1, 5) == ["frozen", "warming_up"] * 2


def test_how_long_it_has_held_survives_a_restart_but_not_a_silence() -> None:
    first = asset(3)
    states(first, 5, 5)
    rows: Any = {name: row for name, row in first.changes().items() if row is not None}
    restored = asset(3)
    restored.load(rows)
    assert states(restored, 5, 5, start=3) == ["frozen", "warming_up"]
    assert states(restored, 5, start=60)[-1] == "frozen"


@pytest.mark.parametrize(
    ("asset", "by", "words"),
    [
        ("stamping/line1/press1", "Ann", "did you mean 'stamping/line1/press01'"),
        ("stamping/line1/press01", " ", "needs a name"),
    ],
)
def test_a_release_names_an_asset_and_a_person(
    tmp_path_factory: pytest.TempPathFactory, asset: str, by: str, words: str
) -> None:
    plant = write_factory(tmp_path_factory.mktemp("factory")).plant
    app = typer.Typer()
    anomalies.register(app)
    result = CliRunner().invoke(
        app, ["anomalies", "release", asset, "--by", by, "--config", str(plant)]
    )
    assert result.exit_code != 0 and words in str(result.exception)
