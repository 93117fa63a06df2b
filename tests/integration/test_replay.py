"""`penstock replay`: killed as often as one likes, every row is in Kafka once."""

import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from command_rig import DEADLINE, CommandRig

from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import KafkaSettings, RegistrySettings

ROWS = 3000
START = 1_600_000_000_000_000


class Rig(CommandRig):
    """A file of history, and the plant that it is replayed to."""

    def __init__(
        self, folder: Path, name: str, kafka: KafkaSettings, registry: RegistrySettings
    ) -> None:
        super().__init__(folder, name, kafka, registry)
        self.file, self.note = folder / "pump.csv", folder / "notes" / f"{name}.json"
        lines = [f"{START // 10**6 + row},{row},{row / 7}" for row in range(ROWS)]
        self.file.write_text("\n".join(["time,count,flow", *lines]) + "\n")
        self.expected = sorted(
            (f"acme/{name}/pump", tag, START + row * 1_000_000, value)
            for row in range(ROWS)
            for tag, value in (("count", float(row)), ("flow", row / 7))
        )

    def replaying(self, *more: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "penstock", "replay", str(self.file), *more]
        command += ["--source", self.name, "--notes", str(self.note.parent)]
        return self.running([*command, "--config", str(self.config)])

    def replay(self, *more: str) -> str:
        """Run to the end; what was said."""
        before = len(self.log) if self.done() else 0
        with self.replaying(*more) as process:
            code = process.wait(DEADLINE)
        told = self.log[before:]
        assert code == 0, told
        return told

    def done(self) -> int:
        """The next row by the note."""
        try:
            return int(json.loads(self.note.read_text())["row"])
        except FileNotFoundError:
            return 0

    def in_kafka(self) -> list[tuple[str, str, int, float]]:
        """All samples of the source: asset, tag, time, value."""
        found = []
        with closing(Registry(self.registry)) as registry:
            for message in self.messages(SENSORS.name):
                schema_id, body = unframe(message.value())
                event = decode(body, registry.schema(schema_id))
                if event.source != self.name:
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
                assert process.poll() is None, rig.log
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
