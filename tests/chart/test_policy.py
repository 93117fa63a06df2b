"""A policy linter's findings, each explained or mended."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import CHART, ROOT, helm, tool  # a conftest has no other name

EXPLAINED = {
    "container-image-pull-policy": "images are named by version or digest",
    "deployment-strategy": "two connectors of a source publish twice; a volume has one owner",
    "deployment-replicas": "one connector per source, one owner per volume, one console",
    "statefulset-has-host-podantiaffinity": "topology spread constraints do it",
    "pod-probes": "of the pod that `helm test` runs to its end",
}
"""Checks of kube-score that the chart does not follow, and why; CPU limits are left to the user."""


def test_helm_has_nothing_to_complain_of() -> None:
    for example in sorted((ROOT / "examples").glob("values-*.yaml")):
        done = helm("lint", CHART, "--strict", "-f", example)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("example", ["secured", "managed-kafka"])
def test_no_finding_of_the_policy_linter_is_unexplained(
    render: Callable[..., Any], example: str
) -> None:
    # A worker that is throttled falls behind; its request keeps the CPU that it needs free.
    done = subprocess.run(
        [tool("kube-score"), "score", "-", "-o", "json", "--kubernetes-version", "v1.34",
         "--ignore-container-cpu-limit"],
        input=render(example).text, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    found = {
        (check["check"]["id"], one["object_name"])
        for one in json.loads(done.stdout)
        for check in one["checks"] or ()
        if not check["skipped"] and check["grade"] < 10
    }
    assert found, "it looked at something"
    assert {check for check, _ in found} <= EXPLAINED.keys(), sorted(found)
