"""What the chart asks of operators: Strimzi, KEDA and the Prometheus Operator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.runtime.rights import CONSOLE, TOOLS, Right, rights_of_plant
from penstock.settings.loader import load_plant

from .conftest import WITHOUT_TLS, configured  # a conftest has no other name

Render = Callable[..., Any]


def test_each_strimzi_user_has_the_rights_of_its_components_and_no_others(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = render("secured")
    plant = load_plant(configured(rendered, tmp_path, monkeypatch), [("sinks", "lake")])
    rights = rights_of_plant(plant.model_copy(update=WITHOUT_TLS))
    own = {
        "penstock-press-plc": "connector/press_plc",
        "penstock-window-statistics": "processor/window-statistics",
        "penstock-lake": "sink/lake",
        "penstock-maintenance": "sink/maintenance",
    }
    users = rendered.of("KafkaUser")
    assert set(users) == {*own, "penstock-tools"}
    for name, user in users.items():
        assert user["spec"]["authentication"] == {"type": "tls"}
        acls = user["spec"]["authorization"]["acls"]
        found = {
            Right(*(one["resource"][key] for key in ("type", "name", "patternType")),
                  tuple(one["operations"]))
            for one in acls
        }  # fmt: skip
        assert len(found) == len(acls)
        if name in own:
            assert found == set(rights[own[name]])
    shared = [one for one in rights if one not in own.values()]
    assert {TOOLS, CONSOLE} < set(shared)
    allowed = {
        (one["resource"]["type"], one["resource"]["name"]): set(one["operations"])
        for one in users["penstock-tools"]["spec"]["authorization"]["acls"]
    }
    wanted: dict[tuple[str, str], set[str]] = {}
    for component in shared:
        for right in rights[component]:
            wanted.setdefault((right.resource, right.name), set()).update(right.operations)
    for operations in wanted.values():
        if operations & {"Read", "Write"}:
            operations.discard("Describe")
    assert allowed == wanted


def test_users_of_strimzi_have_a_password_and_the_name_of_their_secret(render: Render) -> None:
    rendered = render(
        "secured", "--set", "kafka.security=SASL_SSL", "--set", "kafka.client.existingSecret=",
        "--set", "kafka.existingSecret=penstock-tools",
    )  # fmt: skip
    (kind,) = {str(one["spec"]["authentication"]) for one in rendered.of("KafkaUser").values()}
    assert kind == "{'type': 'scram-sha-512'}"
    environment = rendered.environment("rel-penstock-sink-lake")
    assert (environment["KAFKA_USER"], environment["KAFKA_PASSWORD"]) == ("penstock-lake",) * 2


def test_keda_scales_by_the_lag_of_the_group_and_no_further_than_partitions(
    render: Render,
) -> None:
    rendered = render("managed-kafka", "--set", "kafka.partitions=4")
    scaled = rendered.of("ScaledObject")["rel-penstock-processor-line-statistics"]["spec"]
    assert scaled["maxReplicaCount"] == 4
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["topic"] == "ot.partials.v1"
    assert trigger["metadata"]["consumerGroup"] == "bremen-prod-line-statistics"
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("plaintext", "enable")
    assert "replicas" not in rendered.of("StatefulSet")["rel-penstock-processor-alerts"]["spec"]
    behaviour = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 1800


def test_monitoring_brings_the_rules_and_dashboards_as_they_are(render: Render) -> None:
    rendered = render("secured")
    (rule,) = rendered.of("PrometheusRule").values()
    assert {group["name"] for group in rule["spec"]["groups"]} == {
        "penstock-streams", "penstock-edges"
    }  # fmt: skip
    assert "{{ $labels.processor }}" in rendered.text
    boards = [name for name in rendered.of("ConfigMap") if "-dashboard-" in name]
    assert len(boards) == 3
    (monitor,) = rendered.of("ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= rendered.of("Service")["rel-penstock-metrics"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ([], "v1"),
        (["v1beta2"], "v1beta2"),
        (["v1"], "v1"),
        (["v1beta2", "v1"], "v1"),
    ],
)
def test_strimzi_is_spoken_to_in_the_newest_version_that_it_knows(
    render: Render, versions: list[str], found: str
) -> None:
    words = (f"--api-versions=kafka.strimzi.io/{version}" for version in versions)
    rendered = render("secured", *words)
    kinds = {"KafkaTopic", "KafkaUser"}
    apis = {(one["kind"], one["apiVersion"]) for one in rendered if one["kind"] in kinds}
    assert apis == {(kind, f"kafka.strimzi.io/{found}") for kind in kinds}


@pytest.mark.parametrize(
    ("mechanism", "word"),
    [
        ("PLAIN", "plaintext"),
        ("SCRAM-SHA-256", "scram_sha256"),
        ("SCRAM-SHA-512", "scram_sha512"),
    ],
)
def test_keda_has_words_of_its_own_for_mechanisms(
    render: Render, mechanism: str, word: str
) -> None:
    rendered = render("managed-kafka", "--set", f"kafka.mechanism={mechanism}")
    assert {trigger["metadata"]["sasl"] for trigger in triggers(rendered)} == {word}


def triggers(rendered: Any) -> list[Any]:
    """Of all workers."""
    return [
        each for one in rendered.of("ScaledObject").values() for each in one["spec"]["triggers"]
    ]


def test_keda_is_sent_to_secrets_only_where_there_are_some(render: Render) -> None:
    words = ("--set", "keda.enabled=true", "--set", "kafka.security=SSL")
    bare = render("small", *words)
    assert not bare.of("TriggerAuthentication")
    assert all("authenticationRef" not in trigger for trigger in triggers(bare))
    assert {trigger["metadata"]["tls"] for trigger in triggers(bare)} == {"enable"}
    trusting = render("small", *words, "--set", "kafka.ca.existingSecret=authority")
    (authentication,) = trusting.of("TriggerAuthentication").values()
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "ca", "name": "authority", "key": "ca.crt"}
    ]
    references = [trigger["authenticationRef"]["name"] for trigger in triggers(trusting)]
    assert set(references) == {authentication["metadata"]["name"]}


def test_a_large_number_of_a_values_file_stays_whole(render: Render, tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps({"keda": {"enabled": True, "lagPerWorker": 2_000_000}}))
    found = triggers(render("small", "-f", str(file)))
    assert {trigger["metadata"]["lagThreshold"] for trigger in found} == {"2000000"}
