"""`penstock replay`: killed as often as one likes, every row is in Kafka once."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.kafka.scan import read
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import KafkaSettings, RegistrySettings

ROWS = 3000
START = 1_600_000_000_000_000
DEADLINE = 90.0


class Rig:
    """A file of history, and the plant that it is replayed to."""

    def __init__(
        self, folder: Path, name: str, kafka: KafkaSettings, registry: RegistrySettings
    ) -> None:
        self.source, self.kafka, self.registry = name, kafka, registry
        self.config, self.file = folder / "plant.yaml", folder / "pump.csv"
        self.note = folder / "notes" / f"{name}.json"
        settings = {
            "environment": name,
            "site": {"path": f"acme/{name}"},
            "windows": {"sizes": {"10 s": {"reopen_for": "1 h"}}},
            "kafka": {"bootstrap": kafka.bootstrap, "partitions": kafka.partitions},
            "registry": {"url": registry.url},
        }
        self.config.write_text(json.dumps(settings))
        lines = [f"{START // 10**6 + row},{row},{row / 7}" for row in range(ROWS)]
        self.file.write_text("\n".join(["time,count,flow", *lines]) + "\n")
        self.expected = sorted(
            (f"acme/{name}/pump", tag, START + row * 1_000_000, value)
            for row in range(ROWS)
            for tag, value in (("count", float(row)), ("flow", row / 7))
        )

    @contextmanager
    def replaying(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "penstock", "replay", str(self.file), *more]
        command += ["--source", self.source, "--notes", str(self.note.parent)]
        command += ["--config", str(self.config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()

    def replay(self, *more: str) -> str:
        with self.replaying(*more) as process:
            told, _ = process.communicate(timeout=DEADLINE)
            assert process.returncode == 0, told
        return told

    def done(self) -> int:
        """The next row by the note."""
        try:
            return int(json.loads(self.note.read_text())["row"])
        except FileNotFoundError:
            return 0

    def in_kafka(self) -> list[tuple[str, str, int, float]]:
        """All samples of the source: asset, tag, time, value."""
        bounds = Describer(self.kafka).bounds(SENSORS.name, range(self.kafka.partitions))
        found = []
        with closing(Registry(self.registry)) as registry:
            for message in read(self.kafka, SENSORS.name, bounds):
                schema_id, body = unframe(message.value())
                event = decode(body, registry.schema(schema_id))
                if event.source != self.source:
                    continue
                names = [t for t, n in zip(event.tags, event.counts, strict=True) for _ in range(n)]
                times = (event.start + event.offsets).astype(int).tolist()
                times *= len(names) if len(times) == 1 else 1
                found += zip([event.asset] * len(names), names, times, event.values.tolist(),
                             strict=True)  # fmt: skip
        return sorted(found)


@pytest.fixture
def rig(tmp_path: Path, unique: str, kafka: KafkaSettings, registry: RegistrySettings) -> Rig:
    return Rig(tmp_path, unique, kafka, registry)


def test_a_replay_that_is_killed_again_and_again_has_every_row_in_kafka_once(rig: Rig) -> None:
    for share in (0.2, 0.45, 0.7):  # 300 rows a second: each of these runs takes about 3 s
        with rig.replaying("--speed", "300") as process:
            deadline = time.monotonic() + DEADLINE
            while rig.done() < share * ROWS:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.kill()
            process.wait()
    reached = rig.done()
    assert 0.7 * ROWS <= reached < ROWS
    told = rig.replay()
    assert f"to {ROWS} of {ROWS}" in told
    assert rig.in_kafka() == rig.expected

    # A kill between Kafka's commit and the note leaves the note behind: Kafka knows better.
    rig.note.write_text(json.dumps(json.loads(rig.note.read_text()) | {"row": 7}))
    assert "no row of 3000" in rig.replay()
    assert rig.in_kafka() == rig.expected

    assert f"rows 1 to {ROWS}" in rig.replay("--again")
    assert rig.in_kafka() == sorted(2 * rig.expected)
