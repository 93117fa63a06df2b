"""Telegraf on the servers and loads of the connectors' benches: `python -m bench.telegraf`.

Wants `telegraf` on the path, or its place in TELEGRAF; without it nothing is measured. What it
reads it throws away (`outputs.discard`) and counts in its log. Compared is CPU time per request,
message or change. Telegraf asks Modbus devices at fixed times, not without rest: each 20 ms here.
It was built from its Go module, with the plugins that are used here:

    go get github.com/influxdata/telegraf@v1.37.2
    go build -tags "custom,inputs.modbus,inputs.mqtt_consumer,inputs.opcua_listener,\
outputs.discard,parsers.json" github.com/influxdata/telegraf/cmd/telegraf
"""

import asyncio
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import modbus, mqtt, opcua

SECONDS = 10.0
LONGEST = 300.0
AGENT = """
[agent]
  interval = "1s"
  flush_interval = "200ms"
  metric_batch_size = 1000
  metric_buffer_limit = 2000000
  omit_hostname = true
[[outputs.discard]]
  log_level = "debug"
"""
MODBUS = """
[[inputs.modbus]]
  interval = "20ms"
  log_level = "error"
  name = "device{number}"
  controller = "tcp://127.0.0.1:{port}"
  slave_id = 1
  timeout = "20s"
  configuration_type = "register"
  holding_registers = [{registers}]
"""
REGISTER = (
    '{{name="t{0}", byte_order="ABCD", data_type="FLOAT32-IEEE", scale=1.0, address=[{0}, {1}]}}'
)
MQTT = """
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = ["plant/#"]
  max_undelivered_messages = 100000
  data_format = "json"
  json_time_key = "time"
  json_time_format = "unix_ms"
"""
OPCUA = """
[[inputs.opcua_listener]]
  endpoint = "opc.tcp://127.0.0.1:{port}/bench"
  connect_timeout = "60s"
  request_timeout = "60s"
  security_policy = "None"
  security_mode = "None"
  auth_method = "Anonymous"
  subscription_interval = "500ms"
"""
NODE = """
  [[inputs.opcua_listener.nodes]]
    name = "v{0}"
    namespace = "2"
    identifier_type = "s"
    identifier = "Value{0:06}"
    [inputs.opcua_listener.nodes.monitoring_params]
      sampling_interval = "0s"
      queue_size = 20
"""


class Telegraf:
    """A running Telegraf.

    Args:
        process: It, with its log as standard error.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.done = 0
        """Metrics thrown away."""
        self._reader = threading.Thread(target=self._count)
        self._reader.start()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._reader.join()

    def cpu(self) -> float:
        """Seconds of CPU time that it has used."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = text.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            TimeoutError: It did not become so.
        """
        deadline = time.monotonic() + LONGEST
        while not condition():
            if time.monotonic() > deadline or self._process.poll() is not None:
                msg = f"Telegraf has thrown away {self.done} metrics, and no more"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def _count(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            if found := re.search(r"Wrote batch of (\d+) metrics", line):
                self.done += int(found[1])
            elif " E! " in line:
                sys.stderr.write(line)


@contextmanager
def telegraf(inputs: str) -> Iterator[Telegraf]:
    """A Telegraf with these inputs."""
    program = os.environ.get("TELEGRAF") or shutil.which("telegraf")
    assert program
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "telegraf.conf"
        config.write_text(AGENT + inputs)
        command = [program, "--config", str(config), "--non-strict-env-handling"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            running = Telegraf(process)
            try:
                yield running
            finally:
                running.stop()


def report(what: str, unit: str, done: int, cpu: float, took: float) -> None:
    each = cpu / done * 1e6
    print(f"{what}: {done / took:,.0f} {unit}/s, {each:.1f} us of CPU time each: "
          f"{1e6 / each:,.0f} a second on one core", flush=True)  # fmt: skip


def steady(running: Telegraf, what: str, unit: str, already: int) -> None:
    """Measure for some seconds from when so many metrics have come."""
    running.wait(lambda: running.done > already)
    begin, cpu, done = time.perf_counter(), running.cpu(), running.done
    time.sleep(SECONDS)
    took = time.perf_counter() - begin
    report(what, unit, running.done - done, running.cpu() - cpu, took)


async def read_modbus() -> None:
    registers = ", ".join(REGISTER.format(at, at + 1) for at in range(0, modbus.REGISTERS, 2))
    for delay in modbus.DELAYS:
        async with modbus.server(delay) as port:
            inputs = "".join(
                MODBUS.format(number=number, port=port, registers=registers)
                for number in range(modbus.DEVICES)
            )
            with telegraf(inputs) as running:
                what = f"Modbus, {modbus.DEVICES} devices that answer after {delay} ms"
                await asyncio.to_thread(steady, running, what, "requests", modbus.DEVICES)


def read_mqtt() -> None:
    with mqtt.broker() as port, telegraf(MQTT.format(port=port)) as running:
        while not running.done:  # it subscribes in its own time
            mqtt.publish(port, mqtt.TOPICS)
            time.sleep(0.5)
        publisher = multiprocessing.Process(target=mqtt.publish, args=(port,))
        begin, cpu, done = time.perf_counter(), running.cpu(), running.done
        publisher.start()
        running.wait(lambda: running.done - done >= mqtt.MESSAGES)
        took = time.perf_counter() - begin
        report("MQTT, JSON", "messages", mqtt.MESSAGES, running.cpu() - cpu, took)
        publisher.join()


async def read_opcua() -> None:
    nodes = "".join(map(NODE.format, range(opcua.ITEMS)))
    async with opcua.server(opcua.ITEMS, opcua.WANTED) as port:
        with telegraf(OPCUA.format(port=port) + nodes) as running:
            what = f"OPC UA, {opcua.ITEMS} items"
            await asyncio.to_thread(steady, running, what, "changes", 2 * opcua.ITEMS)


def main() -> None:
    if not (os.environ.get("TELEGRAF") or shutil.which("telegraf")):
        print("skipped: telegraf is not on the path, and TELEGRAF does not name it")
        return
    asyncio.run(read_modbus())
    read_mqtt()
    asyncio.run(read_opcua())


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
