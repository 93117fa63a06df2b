"""The factory's PLCs as processes, read by bare clients and held against the truth."""

import asyncio
import csv
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from penstock.certificates import make_certificate
from penstock.factory import PLCS, Factory, Truth, read_truth, write_factory
from penstock.factory.layout import CLIENT_URI, SITE, USER
from penstock.local.ports import free_port
from penstock.settings.loader import load_plant

CYCLE = 100_000
Samples = dict[tuple[str, str], dict[int, Any]]


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    opcua, modbus, mqtt = (free_port() for _ in range(3))
    return write_factory(tmp_path, seed=3, opcua_port=opcua, modbus_port=modbus, mqtt_port=mqtt)


@pytest.fixture
def start(factory: Factory) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a PLC and waits until it serves; kills what is left over."""
    started: list[subprocess.Popen[str]] = []

    def _start(plc: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "penstock.factory.plc", str(factory.folder), plc]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert "machines at" in process.stdout.readline()
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def tags(factory: Factory, plc: str) -> list[dict[str, str]]:
    with (factory.folder / "tags" / f"{plc}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def agree(received: Samples, truth: Truth) -> None:
    """Everything that was received is true, and everything that went out was received."""
    sent = {
        key: dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
        for key, series in truth.series.items()
    }
    assert received == sent


class ModbusReader:
    """Polls all units with pymodbus' own client and decoding."""

    def __init__(self, factory: Factory) -> None:
        self.client = ModbusTcpClient("127.0.0.1", port=factory.modbus_port)
        self.units: dict[int, list[dict[str, str]]] = defaultdict(list)
        for tag in tags(factory, "utilities"):
            self.units[int(tag["address"].split("/")[0])].append(tag)
        self.samples: Samples = defaultdict(dict)

    def poll(self) -> None:
        """Read every unit once, in one request each."""
        for unit, rows in self.units.items():
            count = max(self._first(row) + self._count(row) for row in rows)
            answer = self.client.read_holding_registers(0, count=count, device_id=unit)
            assert not answer.isError()
            kind = self.client.DATATYPE.UINT64
            moment = int(self.client.convert_from_registers(answer.registers[:4], kind))  # type: ignore[arg-type]
            for row in rows:
                first = self._first(row)
                words = answer.registers[first : first + self._count(row)]
                value = self._decode(words, row)
                self.samples[f"{SITE}/{row['asset']}", row["tag"]][moment] = value

    def until(self, cycles: int) -> None:
        """Poll until every tag has so many more samples."""
        wanted = cycles + min((len(s) for s in self.samples.values()), default=0)
        deadline = time.monotonic() + 20
        while not self.samples or min(len(s) for s in self.samples.values()) < wanted:
            assert time.monotonic() < deadline
            self.poll()

    @staticmethod
    def _first(row: dict[str, str]) -> int:
        return int(row["address"].split("/")[1]) - 40_001

    @staticmethod
    def _count(row: dict[str, str]) -> int:
        return {"float32": 2, "uint32": 2, "string:8": 4}.get(row["type"], 1)

    def _decode(self, words: list[int], row: dict[str, str]) -> Any:
        kind = self.client.DATATYPE[row["type"].upper().split(":")[0]]
        order = "little" if row["order"] == "CDAB" else "big"
        value = self.client.convert_from_registers(words, kind, word_order=order)  # type: ignore[arg-type]
        if isinstance(value, str):
            return value
        assert isinstance(value, int | float)
        return value * float(row["scale"])


def test_modbus_read_by_a_bare_client_agrees_with_the_truth(
    factory: Factory, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    plc = start("utilities")
    reader = ModbusReader(factory)
    reader.until(8)
    denied = reader.client.write_register(20, 1, device_id=1)
    assert denied.isError()
    plc.send_signal(signal.SIGTERM)
    while plc.poll() is None:  # it waits for its last cycle to be read
        try:
            reader.poll()
        except (ModbusException, ConnectionError):  # reset, if it ends with a question on its way
            break
    reader.client.close()
    assert plc.wait(10) == 0
    truth = read_truth(factory.folder)
    agree(reader.samples, truth)
    assert not truth.uncertain
    assert {moment % CYCLE for s in reader.samples.values() for moment in s} == {factory.t0 % CYCLE}


def test_a_killed_plc_goes_on_where_the_machines_are(
    factory: Factory, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    plc = start("utilities")
    reader = ModbusReader(factory)
    reader.until(4)
    plc.kill()
    plc.wait()
    reader.client.close()
    before = {key: max(samples) for key, samples in reader.samples.items()}
    assert start("utilities").poll() is None
    reader.until(4)
    reader.client.close()
    truth = read_truth(factory.folder)
    agree(reader.samples, truth)
    assert len({moment for _, moment in truth.uncertain}) <= 2
    total = f"{SITE}/filling/line2/pump01", "TotalCount"
    counts = reader.samples[total]
    ordered = [counts[moment] for moment in sorted(counts)]
    assert ordered == sorted(ordered)
    assert counts[max(counts)] > counts[before[total]]


def client(factory: Factory, password: str) -> Client:
    made = Client(f"opc.tcp://127.0.0.1:{factory.opcua_port}", timeout=10)
    made.application_uri = CLIENT_URI
    made.set_user(USER)
    made.set_password(password)
    return made


async def secure(made: Client, certificate: Path, key: Path) -> None:
    await made.set_security(
        SecurityPolicyBasic256Sha256,
        str(certificate),
        str(key),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )


class Collector:
    """Keeps every notification by tag and source time."""

    def __init__(self, names: dict[str, tuple[str, str]]) -> None:
        self._names = names
        self.samples: Samples = defaultdict(dict)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        moment = data.monitored_item.Value.SourceTimestamp
        micros = round(moment.replace(tzinfo=UTC).timestamp() * 1e6)
        self.samples[self._names[node.nodeid.Identifier]][micros] = value


async def test_opcua_read_by_a_bare_client_agrees_with_the_truth(
    factory: Factory, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    plc = await asyncio.to_thread(start, "press_plc")
    rows = tags(factory, "press_plc")
    names = {row["address"].split("s=")[1]: (f"{SITE}/{row['asset']}", row["tag"]) for row in rows}
    collector = Collector(names)
    certs = factory.folder / "certs"
    opcua = client(factory, factory.password_file.read_text())
    await secure(opcua, certs / "client.der", certs / "client.pem")
    async with opcua:
        index = await opcua.get_namespace_index("urn:acme:press")
        subscription = await opcua.create_subscription(100, collector)
        nodes = [opcua.get_node(ua.NodeId(ua.String(name), ua.Int16(index))) for name in names]
        await subscription.subscribe_data_change(nodes, queuesize=50)
        deadline = time.monotonic() + 20
        power = f"{SITE}/stamping/line1/press01", "active_power"
        while len(collector.samples[power]) < 15:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        plc.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(plc.wait, 10) == 0
    truth = read_truth(factory.folder)
    agree(collector.samples, truth)
    assert len(truth.series) == len(rows)
    assert {moment % CYCLE for s in collector.samples.values() for moment in s} == {
        factory.t0 % CYCLE
    }


async def test_opcua_lets_in_only_whom_it_trusts(
    factory: Factory, start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    await asyncio.to_thread(start, "press_plc")
    password = factory.password_file.read_text()
    certs = factory.folder / "certs"
    stranger = tmp_path / "stranger.der", tmp_path / "stranger.pem"
    make_certificate(*stranger, CLIENT_URI, common_name="Stranger")
    cases = (("wrong", certs / "client.der", certs / "client.pem"), (password, *stranger))
    for tried, certificate, key in cases:
        refused = client(factory, tried)
        await secure(refused, certificate, key)
        with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
            await refused.connect()
    with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
        await client(factory, password).connect()


def test_the_plant_loads(factory: Factory) -> None:
    plant = load_plant(factory.plant)
    assert set(plant.sources) == set(PLCS)
    assert len(plant.assets) >= 12
    assert sum(len(rows) for rows in plant.tags.values()) > 700


def test_an_existing_factory_keeps_its_machines(factory: Factory) -> None:
    again = write_factory(factory.folder, seed=99, speed=1.0, modbus_port=factory.modbus_port)
    assert (again.seed, again.speed, again.t0) == (3, 60.0, factory.t0)
    assert again.opcua_port == 4840
    assert load_plant(again.plant).sources["press_plc"].url == "opc.tcp://127.0.0.1:4840"


def test_a_taken_port_is_named(factory: Factory) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", factory.modbus_port))
        taken.listen()
        command = [sys.executable, "-m", "penstock.factory.plc", str(factory.folder), "utilities"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert f"modbus://127.0.0.1:{factory.modbus_port}" in ended.stderr
    assert "port taken" in ended.stderr
