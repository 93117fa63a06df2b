"""Which pod gets which Secret."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

Render = Callable[..., Any]


def secrets_of(pod: Any) -> Iterator[str]:
    for container in pod["containers"]:
        for one in container["env"]:
            if "valueFrom" in one:
                yield one["valueFrom"]["secretKeyRef"]["name"]
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            if "secret" in source:
                yield source["secret"]["name"]


def test_no_key_lies_among_the_trusted_certificates(render: Render) -> None:
    """A connector reads all files there as certificates, and cannot connect where one is none."""
    rendered = render("secured")
    plant = yaml.safe_load(
        rendered.of("ConfigMap")["rel-penstock-configuration"]["data"]["plant.yaml"]
    )
    trust = plant["sources"]["press_plc"]["security"]["trust"]
    volume = rendered.pods()["rel-penstock-connector-press-plc"]["volumes"][0]["projected"]
    items = [
        item["path"] for one in volume["sources"] for item in one.get("secret", {}).get("items", ())
    ]
    assert [item for item in items if Path(item).parent == Path(trust)] == [f"{trust}/server.der"]


def test_each_component_gets_its_own_secrets_and_no_others(render: Render) -> None:
    pods = render("secured").pods()
    found = {name: set(secrets_of(pod)) for name, pod in pods.items()}
    common = {"kafka-cluster-ca-cert", "registry-ca", "registry-penstock"}
    assert found["rel-penstock-connector-press-plc"] == common | {
        "penstock-press-plc", "press-plc", "press-plc-opcua"
    }  # fmt: skip
    assert found["rel-penstock-processor-window-statistics"] == common | {
        "penstock-window-statistics"
    }
    assert found["rel-penstock-sink-lake"] == common | {"penstock-lake"}
    assert found["rel-penstock-check"] == common | {"penstock-tools"}
    assert found["rel-penstock-console"] == common | {
        "penstock-tools", "console-tls", "console-token"
    }  # fmt: skip
    topics = set(secrets_of(render("managed-kafka").pods()["rel-penstock-topics"]))
    assert topics == {"kafka-admin", "registry"}


FOR = '"existingSecret":"alerting","for":["alerts"]'


@pytest.mark.parametrize("section", ["sources", "sinks"])
def test_secrets_are_of_a_source_or_sink_and_not_of_a_processor_called_alike(
    render: Render, section: str
) -> None:
    settings = {
        "sources": '{"type":"modbus","host":"h","tags":"tags/press07.csv"}',
        "sinks": '{"type":"maintenance"}',
    }
    words = (
        "--set-json", f"plant.{section}.alerts={settings[section]}",
        "--set-json", f'secrets=[{{"env":"TOKEN","key":"token",{FOR}}}]',
        "--set-json", f'secretFiles=[{{"folder":"certs","keys":["ca.crt"],{FOR}}}]',
        "--set", "topics.job.enabled=true",
    )  # fmt: skip
    pods = render("small", *words).pods()
    assert {"rel-penstock-processor-alerts", "rel-penstock-topics", "rel-penstock-selftest"} < set(
        pods
    )
    found = {name: list(secrets_of(pod)).count("alerting") for name, pod in pods.items()}
    role = {"sources": "connector", "sinks": "sink"}[section]
    assert {name: n for name, n in found.items() if n} == {f"rel-penstock-{role}-alerts": 2}


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "plant.sources.press_plc.host=${env:HOST}",
         "--set-json", 'extraEnv=[{"name":"HOST","value":"press07"}]'),
        ("--set", "plant.sources.press_plc.host=$${env:HOST}"),
        ("--set", "plant.sources.press_plc.host=${env:HOST}",
         "--set", "connectors.press_plc.enabled=false"),
    ],
    ids=["in extraEnv", "escaped", "of a source that is not deployed"],
)  # fmt: skip
def test_a_variable_is_asked_for_only_where_a_pod_lacks_it(
    render: Render, words: tuple[str, ...]
) -> None:
    assert "{env:HOST}" in render("small", *words).configuration()["plant.yaml"]
