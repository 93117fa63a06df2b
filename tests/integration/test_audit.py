"""`penstock audit` after a demo run: all agrees; a lake file deleted by hand is named."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]


def penstock(*words: object) -> Done:
    command = [sys.executable, "-m", "penstock", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo with a killed worker, over; its Kafka is up again."""
    folder = tmp_path_factory.mktemp("audit") / "stack"
    done = penstock("demo", "--dir", folder, "--seconds", 8, "--kill", "worker@4",
                    "--kafka-port", 0, "--registry-port", 0)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        up = penstock("up", "--dir", folder)
        assert up.returncode == 0, up.stdout + up.stderr
        assert '  kafka: {bootstrap: "127.0.0.1:' in up.stdout, "it has another port than usual"
        yield folder
    finally:
        penstock("down", "--dir", folder)


def audit(folder: Path, code: int) -> dict[str, Any]:
    done = penstock("audit", "--json", "--config", folder / "demo" / "plant.yaml")
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_nothing_differs_until_a_file_is_deleted(folder: Path) -> None:
    found = audit(folder, 0)
    assert (found["difference"], found["differences"]) == (0, [])
    assert {row["difference"] for row in found["processors"] + found["lake"]} == {0}
    windows = [one for one in found["processors"] if one["processor"] == "window-statistics"]
    read = sum(one["samples"]["samples_in"] for one in windows)
    samples = [row for row in found["lake"] if row["table"] == "samples"]
    assert sum(row["rows"] for row in samples) >= read > 1000
    assert sum(row["rows"] for row in found["lake"] if row["table"] == "windows") > 100

    file = max((folder / "demo" / "lake" / "samples").rglob("*.parquet"), key=str)
    content = file.read_bytes()
    file.unlink()
    found = audit(folder, 1)
    (named,) = [one for one in found["differences"] if file.name in one["where"]]
    assert named["what"].startswith("missing: it held rows of offsets ")
    (gone, *_) = [one for one in found["differences"] if "rows missing" in one["what"]]
    assert gone["where"].startswith("samples, ot.sensors.v1[")
    assert gone["found"] < gone["expected"]
    assert "differs" in penstock("audit", "--config", folder / "demo" / "plant.yaml").stdout
    file.write_bytes(content)
    audit(folder, 0)


def test_lost_tables_and_commits_are_named_and_the_rest_is_compared(folder: Path) -> None:
    lake, kept = folder / "demo" / "lake", folder / "kept"
    shutil.copytree(lake, kept)
    try:
        shutil.rmtree(lake / "kpis")
        *_, last = sorted((lake / "samples" / "_delta_log").glob("*.json"))
        last.unlink()
        damaged = sorted((lake / "windows" / "_delta_log").glob("*.json"))[1]
        damaged.write_text("{garbage")
        found = audit(folder, 1)["differences"]
        by_place: dict[str, list[str]] = {}
        for one in found:
            by_place.setdefault(one["where"].partition("[")[0], []).append(one["what"])
        assert by_place["kpis"] == ["the lake has no such table"]
        assert any("rows missing" in what for what in by_place["kpis, dmz.kpis.v1"])
        lost = by_place["samples, ot.sensors.v1"]
        assert any("commits of the table are lost" in what for what in lost)
        assert any("rows missing" in what for what in lost)
        (named,) = by_place[f"windows/_delta_log/{damaged.name}"]
        assert named.startswith("line 1 is no JSON")

        shutil.rmtree(lake)
        found = audit(folder, 1)
        gone = {one["where"] for one in found["differences"] if "no such table" in one["what"]}
        assert {"samples", "windows", "kpis"} <= gone
        assert "ask where the lake's disk is" in found["differences"][0]["what"]
        assert sum(one["behind"] for one in found["lake"] if one["table"] == "samples") > 100
    finally:
        shutil.rmtree(lake, ignore_errors=True)
        shutil.copytree(kept, lake)


def test_status_is_told_without_workers(folder: Path) -> None:
    done = penstock("streams", "status", "--json", "--config", folder / "demo" / "plant.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["processor"]: one for one in json.loads(done.stdout)}
    partitions = found["window-statistics"]["partitions"]
    assert found["window-statistics"]["workers"] == 0
    assert sum(one["lag"] for one in partitions) == 0
    shown = penstock("streams", "status", "--config", folder / "demo" / "plant.yaml").stdout
    assert "no worker" in shown
    assert "ready" not in shown
    fed = [one for one in partitions if one["records"]["in"]]
    assert all(one["watermark_least"] <= one["watermark_greatest"] for one in fed)
    assert all(one["epoch"] and one["snapshot_bytes"] for one in fed)


def test_what_is_empty_or_unknown_is_said(folder: Path) -> None:
    plant = folder / "demo" / "plant.yaml"
    config = ["--config", plant]
    assert penstock("dlq", "list", *config).stdout == "there is no open dead letter\n"
    for words, said in (
        (["list", "--topic", "ot.nope.v1"], "there is no topic 'ot.nope.v1'"),
        (["drop", "--component", "lakee", "--yes"], "there is no component 'lakee'"),
        (["show", "nonsense"], "write topic/partition@offset, as ot.sensors.v1/0@7"),
    ):
        done = penstock("dlq", *words, *config)
        assert done.returncode == 2, done.stdout
        assert said in done.stderr
    assert penstock("topics", "list", *config).stderr == ""
    other = folder / "demo" / "other.yaml"
    other.write_text(plant.read_text("utf-8").replace("partitions: 2", "partitions: 3"))
    told = penstock("topics", "list", "--config", other).stderr
    assert told.startswith("not the 3 partitions of the configuration: ")
    assert "ot.sensors.v1" in told
