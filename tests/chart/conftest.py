"""Renders the Helm chart with a real helm; without one these tests are skipped."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.settings.plant import KafkaSettings, RegistrySettings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "penstock"
KUBERNETES = "1.34.1"
TOOLS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "penstock" / "tools"
"""Where `helm/tools.sh` puts what it builds."""

Manifest = dict[str, Any]
WITHOUT_TLS = {"kafka": KafkaSettings(), "registry": RegistrySettings()}


def tool(name: str) -> str:
    """Where a program is."""
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if found is None:
        pytest.skip(f"{name} is neither in PATH nor in {TOOLS}: helm/tools.sh builds it")
    return found


def helm(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [tool("helm"), *map(str, words), "--kube-version", KUBERNETES]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class Rendered(list[Manifest]):
    """Manifests of a release called `rel`, and what is asked of them."""

    def __init__(self, text: str) -> None:
        super().__init__(one for one in yaml.load_all(text, yaml.CSafeLoader) if one)
        self.text = text

    def of(self, kind: str) -> dict[str, Manifest]:
        """By name."""
        return {one["metadata"]["name"]: one for one in self if one["kind"] == kind}

    def pods(self) -> dict[str, Manifest]:
        """All pods' specifications, by the name of what makes them."""
        return {
            one["metadata"]["name"]: one["spec"] if one["kind"] == "Pod"
            else one["spec"]["template"]["spec"]
            for one in self if one["kind"] in {"Deployment", "StatefulSet", "Job", "Pod"}
        }  # fmt: skip

    def processors(self) -> set[str]:
        """The names of those that have workers."""
        return {
            one["spec"]["template"]["metadata"]["labels"]["penstock.io/name"]
            for one in self.of("StatefulSet").values()
        }

    def configuration(self) -> dict[str, str]:
        """The files that a ConfigMap brings to the pods."""
        data: dict[str, str] = self.of("ConfigMap")["rel-penstock-configuration"]["data"]
        return data

    def environment(self, pod: str) -> dict[str, Any]:
        """Of a pod's main container: values, or the secret that they come from."""
        return {
            one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"]["name"]
            for one in self.pods()[pod]["containers"][0]["env"]
        }


def configured(rendered: Rendered, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration as a component finds it, with its secrets."""
    pod = rendered.pods()["rel-penstock-sink-lake"]
    data = rendered.configuration()
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


@cache
def _rendered(words: tuple[str, ...]) -> Rendered:
    done = helm("template", "rel", CHART, *words)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout)


@pytest.fixture(scope="session")
def render() -> Callable[..., Rendered]:
    """Renders one of `examples/`, or another values file, with further arguments."""

    def rendered(example: str, *words: str) -> Rendered:
        file = Path(example)
        if not file.is_absolute():
            file = ROOT / "examples" / f"values-{example}.yaml"
        return _rendered(("-f", str(file), *words))

    return rendered


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """What helm says where it refuses to render."""

    def refused(example: str, *words: str) -> str:
        file = ROOT / "examples" / f"values-{example}.yaml"
        done = helm("template", "rel", CHART, "-f", file, *words)
        assert done.returncode != 0
        return done.stderr

    return refused
