"""A newcomer's first quarter of an hour, typed for real; makes `docs/sessions/first-quarter.txt`.

Every command runs in a shell, with a Modbus device, a Kafka and a registry that are really there.
What differs from run to run (ports, times, rates) is replaced by `…` and the usual ports; the rest
must be what the file says. `PENSTOCK_RECORD=1` writes the file anew.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from modbus_device import Device
from test_modbus_commissioning import pump

from penstock.local.ports import free_port

RECORDED = Path(__file__).parents[2] / "docs" / "sessions" / "first-quarter.txt"
QUERY = 'penstock lake query --config plant.yaml "select asset, tag, value from samples limit 1"'
PICK = "penstock connectors read modbus1 1/40021 --pick 1"
SEED_LAKE = "s|path: ./lake|path: ./lake, roll: 1 s|"
DEADLINE = 180
MEASURED = re.compile(r"\d+(?:\.\d+)?(?= ms\b|/s\b| bytes/s\b)")


class Shell:
    """Types commands in a folder and keeps what a person would see."""

    def __init__(self, folder: Path, ports: dict[int, str]) -> None:
        self.folder, self.ports = folder, ports
        self.lines: list[str] = []
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}

    def say(self, text: str) -> None:
        self.lines += ["", *(f"# {line}" for line in text.splitlines())]

    async def run(self, command: str, *, code: int = 0, keep: bool = True) -> str:
        process = await asyncio.create_subprocess_shell(
            command, cwd=self.folder, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output = (await process.communicate())[0].decode()
        if keep:
            assert process.returncode == code, output
            self.lines += [f"$ {command}", *output.splitlines()]
        return output

    def text(self) -> str:
        text = "\n".join(line.rstrip() for line in self.lines).strip() + "\n"
        for port, usual in self.ports.items():
            text = text.replace(str(port), usual)
        return MEASURED.sub("…", text.replace(str(self.folder), "."))


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    async with Device(pump) as device:
        shell = Shell(tmp_path, {device.port: "502", free_port(): "9092", free_port(): "8081"})
        try:
            yield shell
        finally:
            await shell.run("penstock down", keep=False)


@pytest.mark.timeout(600)
async def test_from_plc_to_the_first_row_in_the_lake(shell: Shell) -> None:
    device, kafka, registry = shell.ports
    shell.say("A configuration to start from, and where the device is.")
    await shell.run("penstock connectors list")
    await shell.run("penstock connectors sample modbus --folder .")
    await shell.run(f"sed -i 's/192.168.0.17/127.0.0.1/; s/# port: 502/port: {device}/' plant.yaml")
    shell.say("Does it answer? The sample's tags are not this device's.")
    await shell.run("penstock connectors probe modbus1", code=3)
    shell.say(
        "What is at 40021? The display says 23.5 A. Take the first reading as a tag,\n"
        "in a list of our own in place of the sample's."
    )
    await shell.run("rm tags/tags.csv")
    await shell.run("penstock connectors read modbus1 1/40021")
    await shell.run(f"{PICK} --asset stamping/line1/pump03 --tag motor_current --unit A | tail -1")
    await shell.run("cat tags/tags.csv")
    shell.say("Is all well now, and what does it cost the device?")
    await shell.run("penstock validate plant.yaml --live")
    await shell.run(
        "penstock connectors load modbus1 --seconds 2 | grep -E 'sockets|errors|writes'"
    )
    shell.say(
        "Kafka and the registry, then the pipeline, in the background.\n"
        "At these ports, kafka and registry may be left out of plant.yaml."
    )
    await shell.run(f"penstock up --kafka-port {kafka} --registry-port {registry} > up.log 2>&1")
    await shell.run(f"""sed -i '{SEED_LAKE}' plant.yaml""")
    await shell.run(f"""echo 'kafka: {{bootstrap: "127.0.0.1:{kafka}"}}' >> plant.yaml""")
    url = f"http://127.0.0.1:{registry}/apis/ccompat/v7"
    await shell.run(f"""echo 'registry: {{url: "{url}"}}' >> plant.yaml""")
    shell.lines.append("$ penstock run plant.yaml > run.log 2>&1 &")
    pipeline = await asyncio.create_subprocess_shell(
        "exec penstock run plant.yaml > run.log 2>&1", cwd=shell.folder, env=shell.environment
    )
    try:
        shell.say("A little later: the first row in the lake.")
        async with asyncio.timeout(DEADLINE):
            while "motor_current" not in await shell.run(QUERY, keep=False):
                await asyncio.sleep(1)
        await shell.run(QUERY)
    finally:
        pipeline.send_signal(signal.SIGINT)
        await pipeline.wait()
    shell.lines += ["$ kill -INT %1", "$ penstock down"]
    if os.environ.get("PENSTOCK_RECORD"):
        RECORDED.parent.mkdir(exist_ok=True)
        RECORDED.write_text(shell.text(), "utf-8")
    assert shell.text() == RECORDED.read_text("utf-8")
