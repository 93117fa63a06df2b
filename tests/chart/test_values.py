"""What comes of values: taken away, given by file, or merged with the defaults."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.settings.loader import load_plant

from .conftest import configured  # a conftest has no other name

Render = Callable[..., Any]


NOTHING: dict[str, Any] = {
    "plant": {"processors": None, "lines": None, "sources": {"press_plc": None},
              "sinks": {"lake": None}},
    "connectors": None, "workers": None, "sinks": None, "files": None, "secrets": None,
    "secretFiles": None, "networkPolicy": {"devices": None, "sinks": None},
}  # fmt: skip


def test_null_is_nothing(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with nothing behind it is as none; in a second file it takes away what was said."""
    file = tmp_path / "values.json"
    file.write_text(json.dumps(NOTHING))
    rendered = render("small", "-f", str(file))
    data = rendered.of("ConfigMap")["rel-penstock-configuration"]["data"]
    assert "null" not in data["plant.yaml"]
    assert rendered.processors() == {"window-statistics", "anomaly-scores", "alerts"}
    assert not rendered.of("Deployment")


def test_tag_lists_arrive_as_they_are_in_whatever_code(render: Render, tmp_path: Path) -> None:
    texts = {"a": "tag,unit\r\nt,°C\r\n".encode("cp1252"), "b": "  tag;ä\rt".encode()}
    words = []
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
        words += ["--set-file", f"files.tags/{name}\\.csv={tmp_path / name}"]
    made = render("small", *words).of("ConfigMap")["rel-penstock-configuration"]
    assert b64decode(made["binaryData"]["tags--a.csv"]) == texts["a"]
    assert made["data"]["tags--b.csv"].encode() == texts["b"]


def test_settings_that_were_taken_away_are_of_nothing(render: Render) -> None:
    lake = '{"type":"parquet","path":"s3://bucket/lake"}'
    words = ("--set-json", f"plant.sinks.lake2={lake}", "--set-json", "plant.sinks.lake=null",
             "--set-json", "sinks.lake=null",
             "--set-json", 'networkPolicy.sinks.lake2={"ports":[443]}')  # fmt: skip
    found = render("small", *words).of("Deployment")
    assert "rel-penstock-sink-lake2" in found and "rel-penstock-sink-lake" not in found


def test_a_processor_of_ones_own_runs_where_its_topic_is_said(render: Render) -> None:
    words = ("--set", "workers.mine.topic=ot.sensors.v1", "--set", "workers.mine.enabled=true")
    assert "rel-penstock-processor-mine" in render("small", *words).of("StatefulSet")


def test_a_file_of_the_plant_is_passed_on_as_it_is(render: Render, tmp_path: Path) -> None:
    text = "# ours\nsite: {path: acme/bremen}\nwindows: {sizes: {10 s: {reopen_for: 15 min}}}\n"
    file = tmp_path / "plant.yaml"
    file.write_text(text)
    values = tmp_path / "values.json"
    values.write_text('{"kafka": {"bootstrap": "k:1"}, "registry": {"url": "http://r"}}')
    rendered = render(str(values), "--set-file", f"plant={file}")
    data = rendered.of("ConfigMap")["rel-penstock-configuration"]["data"]["plant.yaml"]
    assert data.startswith(text)
    assert not rendered.of("Deployment")


def over(render: Render, folder: Path, values: dict[str, Any]) -> Any:
    """The small example with a values file over it: its numbers are not those of `--set`."""
    file = folder / "over.json"
    file.write_text(json.dumps(values))
    return render("small", "-f", str(file))


def test_options_of_kafka_are_texts_and_whole_numbers_stay_whole(
    render: Render, tmp_path: Path
) -> None:
    given = {"fetch.max.bytes": 8_388_608, "linger.ms": 0.5, "log.queue": True, "none": False,
             "less": -1, "zero": 0, "client.rack": "hall1", "text": "8388608"}  # fmt: skip
    rendered = over(render, tmp_path, {"kafka": {"options": given}})
    assert yaml.safe_load(rendered.configuration()["plant.yaml"])["kafka"]["options"] == {
        "fetch.max.bytes": "8388608", "linger.ms": "0.5", "log.queue": "true", "none": "false",
        "less": "-1", "zero": "0", "client.rack": "hall1", "text": "8388608",
    }  # fmt: skip


def test_none_is_a_number_of_pods(render: Render, tmp_path: Path) -> None:
    values = {"workers": {"alerts": {"replicas": 0}}, "sinks": {"lake": {"replicas": 0}}}
    rendered = over(render, tmp_path, values)
    workers = rendered.of("StatefulSet")
    assert workers["rel-penstock-processor-alerts"]["spec"]["replicas"] == 0
    assert workers["rel-penstock-processor-anomaly-scores"]["spec"]["replicas"] == 1
    assert rendered.of("Deployment")["rel-penstock-sink-lake"]["spec"]["replicas"] == 0


def test_a_component_that_is_switched_off_is_not_there(render: Render, tmp_path: Path) -> None:
    off = {"enabled": False}
    values = {"connectors": {"press_plc": off}, "workers": {"alerts": off}, "sinks": {"lake": off}}
    rendered = over(render, tmp_path, values)
    assert not rendered.of("Deployment")
    assert "alerts" not in rendered.processors()


@pytest.mark.parametrize(
    ("own", "memory", "cpu"),
    [
        ({}, "1Gi", "100m"),
        ({"limits": {}, "requests": {}}, "1Gi", "100m"),
        ({"limits": {"memory": "2Gi"}}, "2Gi", "100m"),
        ({"requests": {"cpu": 2}}, "1Gi", 2),
    ],
)
def test_each_request_and_limit_counts_before_the_default(
    render: Render, tmp_path: Path, own: dict[str, Any], memory: str, cpu: Any
) -> None:
    rendered = over(render, tmp_path, {"workers": {"alerts": {"resources": own}}})
    (container,) = rendered.pods()["rel-penstock-processor-alerts"]["containers"]
    assert container["resources"] == {
        "limits": {"memory": memory, "ephemeral-storage": "256Mi"},
        "requests": {"cpu": cpu, "memory": "256Mi", "ephemeral-storage": "64Mi"},
    }


def test_a_default_that_is_taken_away_is_of_no_component(render: Render, tmp_path: Path) -> None:
    gone = {"workers": {"resources": {"limits": {"memory": None}}}}
    rendered = over(render, tmp_path, {"defaults": gone})
    (container,) = rendered.pods()["rel-penstock-processor-alerts"]["containers"]
    assert container["resources"]["limits"] == {"ephemeral-storage": "256Mi"}


def test_a_processor_of_ones_own_can_be_taken_away(render: Render, tmp_path: Path) -> None:
    rendered = over(render, tmp_path, {"workers": {"mine": None, "alerts": None}})
    assert rendered.processors() == render("small").processors()


@pytest.mark.parametrize("path", ["./tags/press07.csv", "tags//press07.csv", "tags/./press07.csv"])
def test_a_tag_list_is_found_however_its_path_is_written(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """By the chart, and by Penstock in the pod."""
    rendered = render("small", "--set", f"plant.sources.press_plc.tags={path}")
    plant = load_plant(configured(rendered, tmp_path, monkeypatch), [("sinks", "lake")])
    assert [tag.tag for tag in plant.tags["press_plc"]] == ["motor_current", "oil_temperature"]


def test_a_long_tag_of_an_image_makes_a_label_that_kubernetes_takes(render: Render) -> None:
    tag = f"{'a' * 62}.{'b' * 37}"
    rendered = render("small", "--set", f"image.tag={tag}")
    labels = {one["metadata"]["labels"]["app.kubernetes.io/version"] for one in rendered
              if "labels" in one["metadata"]}  # fmt: skip
    assert labels == {"a" * 62}
    images = {one["image"] for pod in rendered.pods().values() for one in pod["containers"]}
    assert images == {f"registry.example/penstock:{tag}"}


def test_annotations_reach_every_pod(render: Render) -> None:
    rendered = render("secured", "--set-json", 'podAnnotations={"acme.example/team":"ot"}')
    found = {
        one["metadata"]["name"]: (
            one if one["kind"] == "Pod" else one["spec"]["template"]
        )["metadata"]["annotations"].get("acme.example/team")
        for one in rendered if one["kind"] in {"Deployment", "StatefulSet", "Job", "Pod"}
    }  # fmt: skip
    assert found.keys() == rendered.pods().keys() > {"rel-penstock-selftest"}
    assert set(found.values()) == {"ot"}
