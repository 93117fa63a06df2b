"""What the chart renders, over the values of the examples and more."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from penstock import __version__
from penstock.kafka.admin import topic_config
from penstock.processor import chosen
from penstock.runtime.rights import CONSOLE, TOOLS, Right, rights_of_plant
from penstock.runtime.topics import topics_of_plant
from penstock.settings.loader import load_plant
from penstock.settings.plant import KafkaSettings, RegistrySettings

EXAMPLES = ("small", "sites", "managed-kafka", "secured")
KUBERNETES = ("1.27", "1.34", "1.37")
"""The oldest that the chart takes, the newest that there are schemas of, and some between."""
OF_OPERATORS = {
    "ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication",
    "KafkaTopic", "KafkaUser",
}  # fmt: skip
"""Kinds that others define: there are no schemas of them here."""

ALIKE = 2
"""Manifests of one kind and example that are held against a schema: the others are made alike."""

WITHOUT_TLS = {"kafka": KafkaSettings(), "registry": RegistrySettings()}

Render = Callable[..., Any]


SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


def schema_of(version: str, name: str) -> Any:
    return json.loads((SCHEMAS / f"v{version}.0-local-strict" / f"{name}.json").read_bytes())


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_the_manifests(render: Render, version: str) -> None:
    """The schemas of `kubernetes-validate`, which itself reads them anew for each manifest."""
    registry = Registry().with_resource(
        "_definitions.json", Resource.from_contents(schema_of(version, "_definitions"), DRAFT202012)
    )
    checks: dict[str, Any] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for example in EXAMPLES:
        for manifest in render(example):
            group, _, release = manifest["apiVersion"].rpartition("/")
            name = "-".join(
                part for part in (manifest["kind"].lower(), group.split(".")[0], release) if part
            )
            if manifest["kind"] in OF_OPERATORS:
                continue
            if name not in checks:
                schema = schema_of(version, name)
                checks[name] = Draft202012Validator(schema, registry=registry)
            if seen[example, name] < ALIKE:
                checks[name].validate(manifest)
                seen[example, name] += 1
    assert len(checks) >= 9


@pytest.mark.parametrize("example", EXAMPLES)
def test_all_pods_are_restricted(render: Render, example: str) -> None:
    """Pod Security `restricted`, a read-only root, no token, requests and limits."""
    last_word = {"name": "PENSTOCK_LAST_WORD", "value": "/dev/termination-log"}
    for name, pod in render(example).pods().items():
        assert pod["automountServiceAccountToken"] is False, name
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            assert key not in pod
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"projected", "emptyDir", "persistentVolumeClaim"}
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            own = container["securityContext"]
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            assert "command" not in container, "the image's own entry point, no shell"
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
            assert last_word in container["env"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_names_fit_and_services_find_their_pods(render: Render, example: str) -> None:
    rendered = render(example)
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in rendered
        if one["kind"] in {"Deployment", "StatefulSet"}
    ]
    for one in rendered:
        assert len(one["metadata"]["name"]) <= 63 or one["kind"] == "KafkaTopic"
        if one["kind"] == "Service":
            selector = one["spec"]["selector"].items()
            assert any(selector <= found.items() for found in labels)
        if one["kind"] in {"Deployment", "StatefulSet"}:
            own = one["spec"]["selector"]["matchLabels"].items()
            assert sum(own <= found.items() for found in labels) == 1


def processors(rendered: Any) -> set[str]:
    """The names of those that have workers."""
    return {
        one["spec"]["template"]["metadata"]["labels"]["penstock.io/name"]
        for one in rendered.of("StatefulSet").values()
    }


def configured(rendered: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration as a component finds it, with its secrets."""
    pod = rendered.pods()["rel-penstock-sink-lake"]
    data = rendered.of("ConfigMap")["rel-penstock-configuration"]["data"]
    (source,) = (
        source["configMap"]
        for volume in pod["volumes"] if volume["name"] == "configuration"
        for source in volume["projected"]["sources"] if "configMap" in source
    )  # fmt: skip
    for item in source["items"]:
        path = folder / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]])
    for name in rendered.environment("rel-penstock-sink-lake"):
        monkeypatch.setenv(name, "secret")
    tls = folder / "tls"
    for part in ("kafka-ca/ca.crt", "kafka-client/tls.crt", "kafka-client/tls.key",
                 "registry-ca/ca.crt"):  # fmt: skip
        (tls / part).parent.mkdir(parents=True, exist_ok=True)
        (tls / part).write_text("x")
    plant = folder / "plant.yaml"
    plant.write_text(plant.read_text().replace("/etc/penstock-tls", str(tls)))
    return plant


@pytest.mark.parametrize("example", EXAMPLES)
def test_penstock_takes_the_configuration_and_would_run_the_same(
    render: Render, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded with the secrets of one sink only: the others' need not be there."""
    rendered = render(example)
    plant = load_plant(configured(rendered, tmp_path, monkeypatch), [("sinks", "lake")])
    assert processors(rendered) == {processor.name for processor in chosen(plant)}
    assert len(rendered.of("Deployment")) == len(plant.sources) + len(plant.sinks) + (
        "rel-penstock-console" in rendered.of("Deployment")
    )
    topics = rendered.of("KafkaTopic")
    if topics:
        assert {name: one["spec"]["config"] for name, one in topics.items()} == {
            topic.name: topic_config(topic)
            for topic in topics_of_plant(plant.model_copy(update=WITHOUT_TLS))
        }


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


@pytest.mark.parametrize(
    ("more", "extra"),
    [
        ({}, set()),
        ({"lines": {"a/b": {}}}, {"line-partials", "line-statistics"}),
        (
            {"assets": {"a/b/c": {"states": "s"}}},
            {"production-partials", "line-kpis", "order-performance"},
        ),
        ({"processors": {"alerts": {"enabled": False}}}, {"-alerts"}),
        ({"processors": {"line-kpis": {"enabled": True}}}, {"line-kpis"}),
    ],
)
def test_the_plant_decides_which_processors_run(
    render: Render, tmp_path: Path, more: dict[str, Any], extra: set[str]
) -> None:
    plant = {"site": {"path": "a/b"}, "windows": {"sizes": {"1 s": {"reopen_for": "1 s"}}}}
    file = tmp_path / "values.json"
    least = {"kafka": {"bootstrap": "k:1"}, "registry": {"url": "http://r"}}
    file.write_text(json.dumps({"plant": plant | more} | least))
    wanted = {"window-statistics", "anomaly-scores", "alerts"} | extra
    found = processors(render(str(file)))
    assert found == {name for name in wanted if f"-{name}" not in wanted and name[0] != "-"}


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
    assert processors(rendered) == {"window-statistics", "anomaly-scores", "alerts"}
    assert not rendered.of("Deployment")


def test_the_check_before_an_upgrade_asks_about_the_processors_that_run(render: Render) -> None:
    def asked(*words: str) -> tuple[list[str], list[str]]:
        pod = render("small", *words).pods()["rel-penstock-check"]
        return tuple(one["args"][:-2] for one in (pod["initContainers"][-1], pod["containers"][0]))

    off = "--set=workers.{}.enabled=false"
    names = ["alerts", "anomaly-scores", "line-partials", "line-statistics", "window-statistics"]
    check = ["streams", "check"]
    assert asked() == (["schemas", "check"], [*check, *names])
    assert asked(off.format("alerts")) == (["schemas", "check"], [*check, *names[1:]])
    assert asked(*map(off.format, names))[1] == ["schemas", "check"]


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
             "--set-json", "sinks.lake=null")  # fmt: skip
    found = render("small", *words).of("Deployment")
    assert "rel-penstock-sink-lake2" in found and "rel-penstock-sink-lake" not in found


def test_a_processor_of_ones_own_runs_where_its_topic_is_said(render: Render) -> None:
    words = ("--set", "workers.mine.topic=ot.sensors.v1", "--set", "workers.mine.enabled=true")
    assert "rel-penstock-processor-mine" in render("small", *words).of("StatefulSet")


def test_a_device_by_name_opens_its_port_only(render: Render) -> None:
    (rule,) = render("sites").of("NetworkPolicy")["rel-penstock-connector-meters"]["spec"]["egress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 1883}]}


def test_probes_tell_alive_from_ready(render: Render) -> None:
    for name, pod in render("small").pods().items():
        (container,) = pod["containers"]
        if container["name"] in {"connector", "processor", "sink"}:
            paths = {
                probe: container[f"{probe}Probe"]["httpGet"]["path"]
                for probe in ("startup", "liveness", "readiness")
            }
            assert paths == {
                "startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"
            }, name  # fmt: skip


def test_several_workers_go_one_at_a_time_and_single_ones_can_be_drained(render: Render) -> None:
    budgets = render("secured").of("PodDisruptionBudget")
    assert set(budgets) == {"rel-penstock-processor-window-statistics"}
    assert budgets["rel-penstock-processor-window-statistics"]["spec"]["maxUnavailable"] == 1
    for one in render("secured").of("Deployment").values():
        spread = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread[0]["topologyKey"] == "kubernetes.io/hostname"


def test_keda_scales_by_the_lag_of_the_group_and_no_further_than_partitions(
    render: Render,
) -> None:
    rendered = render("managed-kafka", "--set", "kafka.partitions=4")
    scaled = rendered.of("ScaledObject")["rel-penstock-processor-line-statistics"]["spec"]
    assert scaled["maxReplicaCount"] == 4
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["topic"] == "ot.partials.v1"
    assert trigger["metadata"]["consumerGroup"] == "bremen-prod-line-statistics"
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("plain", "enable")
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


def test_a_change_of_the_configuration_rolls_the_pods(render: Render) -> None:
    marks = {
        one["spec"]["template"]["metadata"]["annotations"]["penstock.io/configuration"]
        for words in ((), ("--set", "kafka.replication=3"), ("--set", r"files.note\.txt=x"))
        for one in render("small", *words).of("StatefulSet").values()
    }
    assert len(marks) == 3


def test_the_environment_is_noted_so_that_a_second_release_of_it_is_found(render: Render) -> None:
    one = render("small").of("ConfigMap")["rel-penstock-configuration"]
    assert one["metadata"]["annotations"]["penstock.io/environment"] == "rel"
    assert one["metadata"]["annotations"]["penstock.io/kafka"] in one["data"]["plant.yaml"]


def test_hooks_check_before_an_upgrade_and_come_after_their_configuration(render: Render) -> None:
    rendered = render("managed-kafka")
    weights = {
        one["metadata"]["name"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in rendered
        if "helm.sh/hook-weight" in one["metadata"].get("annotations", {})
    }
    order = ["rel-penstock-hook", "rel-penstock-topics", "rel-penstock-check"]
    assert list(weights) == order or set(weights) == set(order)
    assert all(weights[one] < weights[other] for one, other in pairwise(order))


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


def test_chart_and_package_have_one_version(render: Render) -> None:
    assert f'image: "registry.example/penstock:{__version__}"' in render("small").text
    chart = (Path(__file__).parents[2] / "helm" / "penstock" / "Chart.yaml").read_text()
    assert f'appVersion: "{__version__}"' in chart
