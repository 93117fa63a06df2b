"""What the chart renders, over the values of the examples and more."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from penstock import __version__
from penstock.cli.config import OTHERS
from penstock.kafka.admin import topic_config
from penstock.processor import chosen
from penstock.runtime.topics import topics_of_plant
from penstock.settings.loader import load_plant

from .conftest import WITHOUT_TLS, configured  # a conftest has no other name

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


@pytest.mark.parametrize("example", EXAMPLES)
def test_penstock_takes_the_configuration_and_would_run_the_same(
    render: Render, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded with the secrets of one sink only: the others' need not be there."""
    rendered = render(example)
    plant = load_plant(configured(rendered, tmp_path, monkeypatch), [("sinks", "lake")])
    assert rendered.processors() == {processor.name for processor in chosen(plant)}
    assert len(rendered.of("Deployment")) == len(plant.sources) + len(plant.sinks) + (
        "rel-penstock-console" in rendered.of("Deployment")
    )
    topics = rendered.of("KafkaTopic")
    if topics:
        assert {name: one["spec"]["config"] for name, one in topics.items()} == {
            topic.name: topic_config(topic)
            for topic in topics_of_plant(plant.model_copy(update=WITHOUT_TLS))
        }


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
    found = render(str(file)).processors()
    assert found == {name for name in wanted if f"-{name}" not in wanted and name[0] != "-"}


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


def test_each_pod_reads_the_configuration_as_what_it_is(render: Render) -> None:
    pods = render("secured", "--set", "topics.job.enabled=true").pods()
    found = {}
    for name, pod in pods.items():
        for container in pod.get("initContainers", ()):
            if container["name"] == "validate":
                *_, option, component = container["args"]
                assert option == "--component"
                found[name.removeprefix("rel-penstock-")] = component
    assert found.pop("connector-press-plc") == "connector/press_plc"
    assert [found.pop(name) for name in ("topics", "check")] == ["tools", "tools"]
    assert found.pop("console") == "console"
    assert {"tools", "console"} == set(OTHERS), "and that is what the command takes"
    assert found == {name: name.replace("-", "/", 1) for name in found}
    assert found.keys() > {"processor-window-statistics", "sink-lake"}


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


def test_chart_and_package_have_one_version(render: Render) -> None:
    assert f'image: "registry.example/penstock:{__version__}"' in render("small").text
    chart = (Path(__file__).parents[2] / "helm" / "penstock" / "Chart.yaml").read_text()
    assert f'appVersion: "{__version__}"' in chart
