"""The demo, as `make run` starts it: nothing is lost, doubled or wrong, whatever is killed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

KILLS = [
    "worker@4",
    "mqtt_broker@16",
    "press_plc@24",
    "broker@32",
    "packing_cell@46",
    "utilities@52",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def demo(folder: Path, seconds: int, *more: str) -> dict[str, Any]:
    report = folder / "report.json"
    command = [sys.executable, "-m", "penstock", "demo", "--dir", str(folder / "stack")]
    command += ["--seconds", str(seconds), "--report", str(report), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def test_kills_of_every_part_lose_nothing_and_count_nothing_twice(folder: Path) -> None:
    kills = [word for kill in KILLS for word in ("--kill", kill)]
    found = demo(folder, 62, "--no-alerts", "--kafka-port", "0", "--registry-port", "0", *kills)
    assert found["examples"] == []
    assert (found["lost"], found["duplicates"], found["wrong_values"]) == (0, 0, 0)
    assert found["windows_wrong"] == 0
    assert found["windows"] > 1000
    assert found["flagged"] > 0, "the gap of a killed PLC is flagged"
    assert found["protocols"] == ["modbus", "mqtt", "opcua"]
    assert found["writes"] == 0
    assert [kill["what"] for kill in found["incidents"]] == [k.split("@")[0] for k in KILLS]
    assert [kill for kill in found["incidents"] if kill["seconds"] is None] == []


def test_a_second_start_goes_on_from_the_kept_data_and_leaves_nothing_running(folder: Path) -> None:
    before = json.loads((folder / "report.json").read_text())["lake_rows"]
    found = demo(folder, 8, "--no-alerts")
    assert (found["lost"], found["duplicates"], found["windows_wrong"]) == (0, 0, 0)
    assert found["lake_rows"] == before + found["samples_in_lake"] + found["flagged"]
    left = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in str(p.info["cmdline"])]
    assert left == []
