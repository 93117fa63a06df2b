"""The network policies: a conduit for each that needs one, and no other."""

from collections.abc import Callable
from typing import Any

import pytest

Render = Callable[..., Any]


def test_the_conduits_are_exactly_those_needed(render: Render) -> None:
    policies = render("secured").of("NetworkPolicy")
    ends = {
        name: (
            one["spec"].get("ingress"),
            [[port["port"] for port in rule["ports"]] for rule in one["spec"].get("egress", ())],
        )
        for name, one in policies.items()
    }
    assert ends.pop("rel-penstock-deny") == (None, [])
    assert policies["rel-penstock-deny"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert ends.pop("rel-penstock-kafka") == (None, [[53, 53], [9093], [8443]])
    assert ends.pop("rel-penstock-hook") == (None, [[53, 53], [9093], [8443]])
    assert ends.pop("rel-penstock-connector-press-plc") == (None, [[4840]])
    (rule,) = policies["rel-penstock-connector-press-plc"]["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.20.0.7/32"}}]
    ((metrics,), _), ((console,), _) = (
        ends.pop("rel-penstock-metrics"), ends.pop("rel-penstock-console")
    )  # fmt: skip
    assert [port["port"] for port in metrics["ports"]] == [9100, 8650]
    assert [port["port"] for port in console["ports"]] == [8650]
    assert all(rule["from"] for rule in (metrics, console))
    assert not ends
    for one in policies.values():
        for rule in one["spec"].get("egress", ()):
            assert rule.get("to"), "to somewhere named"


def test_the_ports_of_kafka_and_the_registry_are_those_of_their_addresses(render: Render) -> None:
    servers = "kafka.bootstrap=a:9093\\,b.kafka.svc:9094"
    rendered = render("small", "--set", servers, "--set", "registry.url=https://registry/apis")
    rules = rendered.of("NetworkPolicy")["rel-penstock-kafka"]["spec"]["egress"]
    ports = [[port["port"] for port in rule["ports"]] for rule in rules]
    assert ports == [[53, 53], [9093, 9094], [443]]


def test_a_device_by_name_opens_its_port_only(render: Render) -> None:
    (rule,) = render("sites").of("NetworkPolicy")["rel-penstock-connector-meters"]["spec"]["egress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 1883}]}


def egress(rendered: Any, name: str) -> list[Any]:
    """The rules of one policy."""
    rules: list[Any] = rendered.of("NetworkPolicy")[name]["spec"]["egress"]
    return rules


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("OPC.TCP://plc.example", 4840),
        ("Opc.Tcp://plc.example:4841/path", 4841),
        ("MQTT://broker.example", 1883),
        ("Mqtts://broker.example", 8883),
        ("mqtts://user@broker.example:8884", 8884),
    ],
)
def test_a_scheme_may_be_written_in_capitals(render: Render, url: str, port: int) -> None:
    words = ("--set", f"plant.sources.press_plc.url={url}")
    rendered = render("small", *words, "--set-json", "plant.sources.press_plc.host=null")
    (rule,) = egress(rendered, "rel-penstock-connector-press-plc")
    assert rule == {"ports": [{"protocol": "TCP", "port": port}]}


def test_a_conduit_goes_with_its_sink(render: Render) -> None:
    name = "rel-penstock-sink-lake"
    words = ("--set-json", 'networkPolicy.sinks.lake={"ports":[443]}')
    assert egress(render("small", *words), name) == [{"ports": [{"protocol": "TCP", "port": 443}]}]
    without = render("small", *words, "--set", "sinks.lake.enabled=false")
    assert name not in without.of("NetworkPolicy")


def test_jobs_before_the_release_reach_kafka_and_the_registry_as_the_pods_after_it(
    render: Render,
) -> None:
    rendered = render("managed-kafka")
    hook = rendered.of("NetworkPolicy")["rel-penstock-hook"]
    beside = rendered.of("ConfigMap")["rel-penstock-hook"]["metadata"]["annotations"]
    assert hook["metadata"]["annotations"] == beside
    labels = rendered.of("Job")["rel-penstock-topics"]["spec"]["template"]["metadata"]["labels"]
    selected = hook["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= labels.items()
    assert selected["app.kubernetes.io/component"] == "tool"
    assert hook["spec"]["policyTypes"] == ["Egress"]
    assert hook["spec"]["egress"] == egress(rendered, "rel-penstock-kafka")
    ports = [[port["port"] for port in rule["ports"]] for rule in hook["spec"]["egress"]]
    assert ports == [[53, 53], [9092], [443]]
    without = render("managed-kafka", "--set", "networkPolicy.enabled=false")
    assert not without.of("NetworkPolicy")
