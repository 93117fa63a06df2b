"""The form of the fault tests: short in `make test`, full in `make faults`; seeds are printed."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.settings.plant import KafkaSettings, RegistrySettings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "integration")]

from cluster import Cluster
from window_rig import WindowRig

FULL = os.environ.get("PENSTOCK_FAULTS") == "full"
SEED = int(os.environ.get("PENSTOCK_FAULTS_SEED", "20261125"))


@pytest.fixture
def full() -> bool:
    """Whether the full form is wanted."""
    return FULL


@pytest.fixture
def only_full(full: bool) -> None:
    """For what takes minutes: the row's other tests are its short form."""
    if not full:
        pytest.skip("in the full form only: make faults")


@pytest.fixture
def chance(request: pytest.FixtureRequest, record_property: object) -> random.Random:
    """Where faults strike; the seed is printed and recorded."""
    print(f"{request.node.name}: seed {SEED}")
    record_property("seed", SEED)  # type: ignore[operator]
    return random.Random(SEED)


@pytest.fixture
def rig(
    kafka: KafkaSettings, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[WindowRig]:
    rig = WindowRig(kafka, registry, unique, tmp_path)
    yield rig
    rig.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three brokers of which one may be lost: replication 3, min.insync.replicas 2."""
    cluster = Cluster(tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
