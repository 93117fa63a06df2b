"""`penstock replay --through`: real connectors read history from real servers, and miss no row."""

import asyncio
import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from penstock.cli import app
from penstock.connector import Connector, Sample
from penstock.errors import DeviceError, HistoryError, PenstockError
from penstock.local.ports import free_port
from penstock.quality import is_good
from penstock.settings.loader import load_source

START = 1_600_000_000
DEADLINE = 60.0
PUMP = [f"p{number}" for number in range(33)]
"""More signals than a Modbus unit takes."""
PUMP_ROWS, FAN_ROWS = 400, 50

Found = tuple[str, str, int, float]


class Rig:
    """Two files of history, a server process, and a plant that reads it."""

    def __init__(self, folder: Path, through: str) -> None:
        self.folder, self.through, self.port = folder, through, free_port()
        self.pump, self.fan = folder / "pump.csv", folder / "fan.csv"
        lines = [
            ",".join([str(START + row), *(str(row + place / 64) for place in range(len(PUMP)))])
            for row in range(PUMP_ROWS)
        ]
        self.pump.write_text("\n".join([",".join(["time", *PUMP]), *lines]) + "\n")
        lines = [f"{START + row};{row};{'' if row % 5 else row}" for row in range(FAN_ROWS)]
        self.fan.write_text("\n".join(["time;speed;gap", *lines]) + "\n")
        self.expected: set[Found] = {
            (asset, tag, (START + row) * 1_000_000, float(value))
            for asset, rows, tags in (("pump", PUMP_ROWS, PUMP), ("fan", FAN_ROWS, ["speed"]))
            for row in range(rows)
            for tag, value in zip(tags, (row + place / 64 for place in range(len(tags))),
                                  strict=True)
        }  # fmt: skip
        self.expected |= {
            ("fan", "gap", (START + row) * 1_000_000, float(row)) for row in range(0, FAN_ROWS, 5)
        }

    @contextmanager
    def serving(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "penstock", "replay", str(self.pump), str(self.fan)]
        command += ["--through", self.through, "--listen", f"127.0.0.1:{self.port}", *more]
        command += ["--source", "show", "--notes", str(self.folder / "notes")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()

    def connector(self) -> Connector:
        """By the section that the command wrote."""
        section = YAML(typ="safe").load((self.folder / "notes" / "show.yaml").read_text())
        section["sources"]["show"]["stale_after"] = "1 h"
        config = self.folder / "plant.yaml"
        config.write_text(json.dumps({"site": {"path": "acme/lab"}, **section}))
        return load_source(config, "show")

    def row(self) -> int:
        """How far the server noted that it came; 0 before it did."""
        note = self.folder / "notes" / "show.json"
        return int(json.loads(note.read_text())["row"]) if note.exists() else 0


async def started(rig: Rig, process: subprocess.Popen[str]) -> Connector:
    """A connector that has reached the server."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            connector = rig.connector()
            await connector.start()
            return connector
        except (DeviceError, FileNotFoundError):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def read(connector: Connector, enough: int) -> list[Sample]:
    """Good samples, until so many are there or the server has ended."""
    found: list[Sample] = []
    async with asyncio.timeout(DEADLINE):
        try:
            while len(found) < enough:
                found += (await connector.read()).samples
        except DeviceError:
            pass
    return [sample for sample in found if is_good(sample.quality)]  # an empty cell is a NaN there


def keys(samples: list[Sample]) -> list[Found]:
    return [(one.asset, one.tag, one.source_time, float(one.value)) for one in samples]


@pytest.fixture(params=["opcua", "modbus"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return Rig(tmp_path, request.param)


async def test_no_row_is_missed_by_a_reader_that_comes_and_goes_nor_by_a_server_that_is_killed(
    rig: Rig,
) -> None:
    found: list[Found] = []
    with rig.serving("--speed", "5") as process:  # outlasts both readers, however slow they are
        for _reader in range(2):
            before = rig.row()
            connector = await started(rig, process)
            async with asyncio.timeout(DEADLINE):
                while rig.row() == before:  # noted once the server knows what was read
                    found += keys(await read(connector, 1))
            await connector.stop()
        process.kill()
        process.wait()
    assert 0 < rig.row() < PUMP_ROWS
    with rig.serving() as process:
        connector = await started(rig, process)
        found += keys(await read(connector, math.inf))
        await connector.stop()
        told, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, told
    assert f"up to row {PUMP_ROWS + FAN_ROWS} of {PUMP_ROWS + FAN_ROWS}" in told
    assert set(found) == rig.expected


async def test_rows_are_shown_at_the_speed_that_was_chosen(rig: Rig) -> None:
    with rig.serving("--speed", "50") as process:
        connector = await started(rig, process)
        await read(connector, len(PUMP) * 5)
        began = time.monotonic()
        found = await read(connector, len(PUMP) * 50)
        seconds = time.monotonic() - began
        await connector.stop()
        process.terminate()
        told, _ = process.communicate(timeout=DEADLINE)
    shown = (max(one.source_time for one in found) - min(one.source_time for one in found)) / 1e6
    assert shown <= 50 * (seconds + 1.5)  # the server's clock began before ours
    assert "the same command goes on" in told
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--through", "mqtt"], "no server for 'mqtt'"),
        (["--through", "opcua", "--listen", "here"], "'here' is no host:port"),
        (["--through", "modbus", "--asset", "one"], "has other columns"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path: Path, words: list[str], named: str) -> None:
    rig = Rig(tmp_path, "modbus")
    notes = ["--notes", str(tmp_path / "notes")]
    error = CliRunner().invoke(app, ["replay", str(rig.pump), str(rig.fan), *words, *notes])
    assert isinstance(error.exception, PenstockError)
    assert named in str(error.exception)


@pytest.mark.parametrize("through", ["opcua", "modbus"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, through: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        rig = Rig(tmp_path, through)
        words = ["--through", through, "--listen", where, "--notes", str(tmp_path / "notes")]
        error = CliRunner().invoke(app, ["replay", str(rig.pump), *words]).exception
    assert isinstance(error, HistoryError)
    assert f"cannot listen on {where}" in str(error)
