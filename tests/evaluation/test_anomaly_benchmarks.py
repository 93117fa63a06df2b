"""The detector `pca` on public benchmarks: the figures of docs/evaluation.md can be had again."""

import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from penstock.cli.backtest import register


def backtest(*arguments):
    app = Typer()
    register(app)
    found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.timeout(300)
def test_pump_testbed(evaluation_data):
    files = sorted((evaluation_data / "skab").glob("[vo]*/*.csv"))
    report = backtest(*files, "--labels", "anomaly", "--train-rows", "400")
    pooled = report["pooled"]
    assert len(report["files"]) == len(files) and pooled["rows"] > 0
    assert pooled["f1"] >= 0.78
    assert pooled["false_alarm_rate"] <= 0.20


def test_machine_temperature(evaluation_data):
    folder = evaluation_data / "nab"
    file = folder / "realKnownCause" / "machine_temperature_system_failure.csv"
    report = backtest(file, "--windows", folder / "combined_windows.json", "--train-rows", "15%")
    figures = report["pooled"]
    assert figures["events"] == 4
    assert figures["false_alarms"] <= 5
