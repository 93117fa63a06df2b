"""A plant with one Modbus device, run by `penstock` as processes."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from penstock.errors import LakeError
from penstock.lake import open_lake, query

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from harness import ASSET
from modbus_harness import TAGS, ModbusHarness

DEADLINE = 90.0


async def until(condition: Callable[[], bool], what: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.05)


class Plant:
    """A plant with one Modbus device, as a folder of files."""

    def __init__(self, folder: Path, device: ModbusHarness, name: str, **more: Any) -> None:
        self.folder = folder
        self.file, self.run_dir, self.lake = folder / "plant.yaml", folder / "run", folder / "lake"
        rows = [
            f"stamping/line1/press07,{tag},{address},{type_}"
            for tag, (address, type_) in TAGS.items()
        ]
        (folder / "tags.csv").write_text("\n".join(["asset,tag,address,type", *rows]) + "\n")
        source = {
            "type": "modbus", "host": "127.0.0.1", "port": device.port, "poll": "50 ms",
            "tags": "tags.csv",
        }  # fmt: skip
        self.settings: dict[str, Any] = {
            "version": 1,
            "environment": name,
            "site": {"path": "acme/bremen"},
            "assets": {"stamping/line1/press07": {}},
            "sources": {"plc": source},
            "windows": {"sizes": {"5 s": {"reopen_for": "1 min"}}},
            "sinks": {"lake": {"type": "parquet", "path": "lake", "roll": "200 ms"}},
        } | more
        self.write()

    def write(self) -> None:
        self.file.write_text(json.dumps(self.settings))

    @contextlib.contextmanager
    def penstock(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "penstock", *words, "--run-dir", str(self.run_dir)]
        with (self.folder / "out.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def processes(self) -> list[psutil.Process]:
        """All that runs for this plant."""
        found = psutil.process_iter(["cmdline"])
        return [p for p in found if str(self.run_dir) in (p.info["cmdline"] or [])]

    def status(self, component: str) -> dict[str, Any]:
        """What a component says under /status; nothing where it does not answer."""
        try:
            port = json.loads((self.run_dir / f"{component}.json").read_text())["port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    def temperatures(self) -> set[float]:
        sql = f"select distinct value from samples where tag = 'temperature' and asset = '{ASSET}'"
        try:
            return {row[0] for row in query(open_lake(str(self.lake)), sql)[1]}  # type: ignore[misc]
        except LakeError:
            return set()

    def windows(self) -> int:
        """Results in the lake."""
        try:
            return int(query(open_lake(str(self.lake)), "select count(*) from windows")[1][0][0])  # type: ignore[call-overload]
        except LakeError:
            return 0

    def logs(self) -> str:
        files = [self.folder / "out.log", *self.run_dir.glob("logs/*.log")]
        return "\n".join(file.read_text()[-2000:] for file in files if file.exists())
