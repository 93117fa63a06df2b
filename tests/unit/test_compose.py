"""`compose.yaml` runs what the chart runs, of the versions that the local stack runs.

It is read, not run: docs/how-to/run-in-containers.md tells what came of running it.
"""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from penstock.local.broker import SETTINGS, Broker
from penstock.local.registry import Registry
from penstock.processor import chosen
from penstock.runtime.supervisor import plan
from penstock.settings.loader import load_plant
from penstock.settings.starter import write_starter

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm" / "penstock"


def read(path: Path):
    return YAML(typ="safe").load(path.read_text("utf-8"))


COMPOSE = read(REPOSITORY / "compose.yaml")
SERVICES = COMPOSE["services"]
VALUES = read(CHART / "values.yaml")
ROLES = {name: one for name, one in SERVICES.items() if name not in {"kafka", "registry"}}
PODS = (CHART / "templates" / "_pod.tpl").read_text("utf-8")


def test_the_components_are_those_of_a_new_plant(tmp_path):
    write_starter(tmp_path / "plant")
    plant = load_plant(tmp_path / "plant" / "plant.yaml")
    wanted = plan(plant.sources, [one.name for one in chosen(plant)], plant.sinks)
    assert {tuple(one["command"][1:3]) for one in ROLES.values()} == {
        (one.role, one.name) for one in wanted
    }
    assert len(ROLES) == len(wanted)


@pytest.mark.parametrize("name", ROLES)
def test_a_component_runs_as_a_pod_of_the_chart_does(name):
    service = ROLES[name]
    chart = read(CHART / "Chart.yaml")
    assert service["image"] == f"{VALUES['image']['repository']}:{chart['appVersion']}"
    _, role, component = service["command"][:3]
    args = re.search(r"args: (\[work, .*\])", PODS)[1]
    args = args.replace("{{ .role }}", role).replace("{{ .name | quote }}", component)
    args = args.replace("{{ .root.Values.listen | quote }}", VALUES["listen"])
    assert service["command"] == YAML(typ="safe").load(args)
    kept = re.findall(r"^- \{name: (\w+), value: (\S+)\}$", PODS, re.MULTILINE)
    only_pods = {"PENSTOCK_LAST_WORD"}  # `docker logs` shows what a container said last
    assert service["environment"] == {n: v for n, v in kept if n not in only_pods}
    mounts = dict(re.findall(r"^- \{name: (\w+), mountPath: ([^,}]+)", PODS, re.MULTILINE))
    assert service["volumes"][0].split(":")[-2:] == [mounts["configuration"], "ro"]
    assert {one.partition(":")[0] for one in service["tmpfs"]} == {mounts["tmp"], mounts["run"]}
    limits = VALUES["defaults"][f"{role.replace('processor', 'worker')}s"]["resources"]["limits"]
    assert service["mem_limit"] == limits["memory"].removesuffix("i").replace("Mi", "M")
    assert service["stop_grace_period"] == f"{VALUES['terminationGracePeriodSeconds']}s"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in service, "probes and metrics have no authentication"


def test_kafka_and_the_registry_are_of_the_local_stacks_versions(tmp_path):
    kafka, registry = SERVICES["kafka"], SERVICES["registry"]
    assert kafka["image"] == f"apache/kafka:{Broker(tmp_path, 1).version}"
    assert (
        registry["image"] == f"apicurio/apicurio-registry-kafkasql:{Registry(tmp_path, 1).version}"
    )
    for key, value in SETTINGS.items():
        name = f"KAFKA_{key.upper().replace('.', '_')}"
        if re.search(
            r"replication|min\.isr|auto\.create|roles|controller\.listener|rebalance", key
        ):
            assert kafka["environment"][name] == value
    advertised = kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert "PLAINTEXT://kafka:9092," in advertised
    assert registry["ports"] == ["127.0.0.1:8081:8080"]
    assert registry["environment"]["KAFKA_BOOTSTRAP_SERVERS"] in advertised


@pytest.mark.parametrize("name", ["kafka", "registry"])
def test_what_is_reached_from_outside_is_reached_from_this_machine_alone(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_volumes_that_are_named_are_declared():
    used = {
        volume.partition(":")[0] for one in SERVICES.values() for volume in one.get("volumes", ())
    }
    assert {name for name in used if not name.startswith("$")} == set(COMPOSE["volumes"])
