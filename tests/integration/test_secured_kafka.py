"""A plant on a Kafka that asks for TLS and SCRAM: carried with the right password, refused else."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.settings.plant import RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from plant_rig import ModbusHarness, Plant, until
from secured_rig import PASSWORD, secured_broker


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        broker.users("penstock")
        yield broker.kafka | {"user": "penstock"}


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[ModbusHarness]:
    device = ModbusHarness(tmp_path)
    await device.start()
    yield device
    await device.close()


async def test_a_plant_runs_on_a_kafka_that_asks_for_tls_and_a_password(
    secured: dict[str, Any], registry: RegistrySettings, device: ModbusHarness, tmp_path: Path,
    unique: str,
) -> None:  # fmt: skip
    (tmp_path / "password").write_text(PASSWORD)
    plant = Plant(tmp_path, device, unique, kafka=secured, registry={"url": registry.url})
    with plant.penstock("run", str(plant.file)):
        await until(lambda: 20.5 in plant.temperatures(), plant.logs)
        await until(lambda: plant.windows() > 0, plant.logs)
    assert PASSWORD not in plant.logs()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"user": "stranger"}, "refuses us: "), ({"ca": None}, "certificate verify")],
)
async def test_a_kafka_that_refuses_us_is_told_in_its_own_words(
    change: dict[str, Any], words: str, secured: dict[str, Any], registry: RegistrySettings,
    device: ModbusHarness, tmp_path: Path, unique: str,
) -> None:  # fmt: skip
    (tmp_path / "password").write_text(PASSWORD)
    kafka = {key: value for key, value in (secured | change).items() if value is not None}
    plant = Plant(tmp_path, device, unique, kafka=kafka, registry={"url": registry.url})
    with plant.penstock("work", "sink", "lake", "--config", str(plant.file)):
        await until(lambda: words in str(plant.status("sink-lake").get("last_error")), plant.logs)
