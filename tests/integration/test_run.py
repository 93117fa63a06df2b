"""`penstock run` and `penstock work`, as processes, on a real device, broker and registry."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.kafka.admin import ensure_topics
from penstock.kafka.topics import SENSORS
from penstock.local.ports import free_port
from penstock.local.stack import LocalStack
from penstock.settings.plant import KafkaSettings, RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from plant_rig import ModbusHarness, Plant, until

PARTITIONS = 4


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[ModbusHarness]:
    device = ModbusHarness(tmp_path)
    await device.start()
    yield device
    await device.close()


@pytest.fixture
def own_kafka(own_stack: LocalStack) -> dict[str, Any]:
    return {"bootstrap": own_stack.kafka_settings().bootstrap, "partitions": PARTITIONS}


def told_by_its_tools(plant: Plant) -> None:
    """What is asked of a plant before and after an upgrade, while it runs."""

    def ask(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--config", str(plant.file)])
        assert done.exit_code == code, done.output or done.exception
        return done.output

    assert "its window came after" in ask("selftest", "--seconds", "60")
    listed = [json.loads(line) for line in ask("topics", "list", "--json").splitlines()]
    assert all(topic["exists"] for topic in listed)
    assert f"{len(listed)} topics are as agreed" in ask("topics", "create")
    assert "window-statistics: can go on" in ask("streams", "check")
    before = plant.settings["windows"]
    plant.settings["windows"] = {"sizes": {"7 s": {"reopen_for": "1 min"}}}
    plant.write()
    refused = ask("streams", "check", code=3)
    assert "window-statistics: cannot go on" in refused
    assert "the state is of other parameters" in refused
    assert ask("streams", "check", "anomaly-scores") == "anomaly-scores: can go on\n"
    plant.settings["windows"] = before
    plant.write()


async def test_a_plant_runs_until_it_is_interrupted_and_leaves_no_process(
    own_kafka: dict[str, Any],
    registry: RegistrySettings,
    device: ModbusHarness,
    tmp_path: Path,
    unique: str,
) -> None:
    plant = Plant(tmp_path, device, unique, kafka=own_kafka, registry={"url": registry.url})
    with plant.penstock("run", str(plant.file)) as supervisor:
        await until(lambda: 20.5 in plant.temperatures(), plant.logs)
        notes = {path.stem for path in plant.run_dir.glob("*.json")}
        processors = {"processor-alerts", "processor-anomaly-scores", "processor-window-statistics"}
        assert notes == {"connector-plc", "sink-lake"} | processors
        killed = plant.status("connector-plc")["pid"]
        psutil.Process(killed).kill()
        await device.set_value("temperature", 21.5)
        await until(lambda: 21.5 in plant.temperatures(), plant.logs)
        assert plant.status("connector-plc")["pid"] != killed
        await until(
            lambda: plant.status("processor-window-statistics").get("ready", False), plant.logs
        )
        await asyncio.to_thread(told_by_its_tools, plant)
        supervisor.send_signal(signal.SIGINT)
        await until(lambda: supervisor.poll() is not None)
        assert supervisor.returncode == 0, plant.logs()
    assert plant.processes() == []
    assert list(plant.run_dir.glob("*.json")) == [], "each removed its note"
    assert device.writes() == []
    for role in ("connector-plc", "sink-lake"):
        text = (plant.run_dir / "logs" / f"{role}.log").read_text()
        assert "stopped" in text
        assert "Traceback" not in text


async def test_a_connector_waits_for_the_registry(
    own_kafka: dict[str, Any],
    registry: RegistrySettings,
    device: ModbusHarness,
    tmp_path: Path,
    unique: str,
) -> None:
    port = free_port()
    url = registry.url.replace(registry.url.split("/")[2], f"127.0.0.1:{port}")
    plant = Plant(tmp_path, device, unique, kafka=own_kafka, registry={"url": url})
    with plant.penstock("work", "connector", "plc", "--config", str(plant.file)) as worker:
        await until(lambda: "registry" in str(plant.status("connector-plc").get("last_error")))
        assert not plant.status("connector-plc")["ready"]
        host, _, real = registry.url.split("/")[2].partition(":")
        server = await asyncio.start_server(forwarder(host, int(real)), "127.0.0.1", port)
        await until(lambda: plant.status("connector-plc").get("ready", False), plant.logs)
        worker.terminate()
        await until(lambda: worker.poll() is not None, plant.logs)
        assert worker.returncode == 0
        server.close()


def forwarder(host: str, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    return serve


async def test_a_worker_that_waits_for_kafka_can_be_stopped(
    registry: RegistrySettings, device: ModbusHarness, tmp_path: Path, unique: str
) -> None:
    away = {"bootstrap": f"127.0.0.1:{free_port()}"}
    plant = Plant(tmp_path, device, unique, kafka=away, registry={"url": registry.url})
    with plant.penstock("work", "sink", "lake", "--config", str(plant.file)) as worker:
        await until(lambda: "cannot be reached" in str(plant.status("sink-lake").get("last_error")))
        worker.terminate()
        await until(lambda: worker.poll() is not None, plant.logs)
        assert worker.returncode == 0


@pytest.mark.parametrize(
    ("change", "words", "code", "text"),
    [
        ({}, ["work", "sink", "lakes", "--config"], 2, "no sink 'lakes'"),
        ({"siet": {}}, ["run"], 2, "siet"),
        ({"kafka": {"options": {"bogus": "1"}}}, ["work", "sink", "lake", "--config"], 2, "bogus"),
        ({"kafka": {"partitions": 3}}, ["work", "sink", "lake", "--config"], 3,
         "the topic has 4 partitions, the configuration says 3"),
    ],
)  # fmt: skip
async def test_what_will_not_mend_itself_ends_with_a_clear_error(
    change: dict[str, Any], words: list[str], code: int, text: str,
    own_kafka: dict[str, Any], registry: RegistrySettings, device: ModbusHarness, tmp_path: Path,
    unique: str,
) -> None:  # fmt: skip
    ensure_topics(KafkaSettings(**own_kafka), [SENSORS])
    plant = Plant(tmp_path, device, unique, kafka=own_kafka, registry={"url": registry.url})
    for section, value in change.items():
        plant.settings[section] = {**plant.settings.get(section, {}), **value}
    plant.write()
    with plant.penstock(*words, str(plant.file)) as worker:
        await until(lambda: worker.poll() is not None, plant.logs)
    assert worker.returncode == code, plant.logs()
    assert text in plant.logs()
    assert "Traceback" not in plant.logs()
