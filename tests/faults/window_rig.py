"""The rig of the stream host with the real operator: windows of numbered samples, and an oracle."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from host_rig import ASSETS, NONE, START, Rig
from numpy.typing import NDArray

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from schemas import SensorEvent, schema_text

SECOND = 1_000_000
SIZE = 10 * SECOND
PER_EVENT = 100
"""Samples of an event, 10 ms apart: an event is a second of its asset."""
MUCH_LATER = 3_600 * SECOND
INTS = np.empty(0, np.int32)
Key = tuple[str, int]
"""Asset and start of a window."""


@dataclass
class Window:
    """What an offline count gives of a window."""

    values: list[NDArray[np.float64]] = field(default_factory=list)

    def figures(self) -> tuple[int, float, float, float]:
        """Count, mean, minimum, maximum."""
        values = np.concatenate(self.values)
        return len(values), float(values.mean()), float(values.min()), float(values.max())


@dataclass(frozen=True)
class Found:
    """How the results compare with the oracle."""

    windows: int
    lost: int
    """Samples that no window counts."""
    twice: int
    """Samples too many."""
    wrong: list[str]
    """Windows whose figures differ."""


class WindowRig(Rig):
    """Feeds window statistics with numbered samples and holds the results against an oracle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.arguments = replace(self.arguments, behaviour=("windows",))
        self.oracle: dict[Key, Window] = {}
        self.seconds = 0
        self.fed = 0

    def event_of(
        self, asset: str, second: int, *, source: str = "plc", shift: int = 0
    ) -> SensorEvent:
        """A second of an asset: 100 samples, each value unique."""
        number = (second * ASSETS + int(asset[-1])) * PER_EVENT
        start = START + second * SECOND
        return SensorEvent(
            asset, source, "s1", second, start + shift, start + SECOND, ("power",),
            np.array([PER_EVENT]), np.arange(PER_EVENT) * float(SECOND // PER_EVENT), NONE,
            np.arange(number, number + PER_EVENT, dtype=float), (), INTS, INTS,
        )  # fmt: skip

    def expect(self, event: SensorEvent) -> None:
        """Take an event into the oracle."""
        times = event.start + event.offsets.astype(np.int64)
        starts = times // SIZE * SIZE
        for start in np.unique(starts).tolist():
            window = self.oracle.setdefault((event.asset, start), Window())
            window.values.append(event.values[starts == start])
        self.fed += len(times)

    def events(self, seconds: int) -> Iterator[SensorEvent]:
        """So many more seconds of all assets, in order of time."""
        for second in range(self.seconds, self.seconds + seconds):
            for number in range(ASSETS):
                event = self.event_of(f"acme/hall/a{number}", second)
                self.expect(event)
                yield event
        self.seconds += seconds

    def send(self, one: SensorEvent, on_delivery: Any = None) -> None:
        value = frame(self.schema, encode(one))
        while True:
            try:
                return self.producer.produce(
                    self.reads, key=one.asset.encode(), value=value, on_delivery=on_delivery
                )
            except BufferError:
                self.producer.poll(0.1)

    def poison(self, event: SensorEvent, other: int, chance: random.Random) -> bytes | None:
        """Bytes that are no event: no value, bad magic byte, unknown id, another type, cut off …

        Args:
            event: What they look like.
            other: The id of another record's schema.
            chance: Which of all.
        """
        good = frame(self.schema, encode(event))
        unknown, type_ = b"\0\x7f\xff\xff\xff" + good[5:], frame(other, good[5:])
        return chance.choice([None, b"\x01" + good[1:], unknown, type_, good[:-3], good + b"\0"])

    def publish(self, events: Iterable[SensorEvent]) -> None:
        for event in events:
            self.send(event)
        self.producer.flush()

    def flow(self, seconds: int) -> None:
        """Publish so many more seconds of all assets."""
        self.publish(self.events(seconds))

    def close_windows(self) -> None:
        """A sample of every asset, much later than all others."""
        for number in range(ASSETS):
            event = self.event_of(f"acme/hall/a{number}", self.seconds)
            late = replace(event, start=event.start + MUCH_LATER, ingest=event.ingest + MUCH_LATER)
            self.send(late)
        self.producer.flush()

    def results(self) -> dict[Key, tuple[int, float, float, float]]:
        """The figures of each window's greatest version."""
        best: dict[Key, Any] = {}
        found: dict[Key, tuple[int, float, float, float]] = {}
        for datum in self._data():
            key, version = (datum["asset"], datum["window_start"]), tuple(datum["version"].values())
            ours = datum["source"] == "plc" and datum["tags"]
            if ours and best.get(key, ()) < version:
                best[key] = version
                names = ("count", "mean", "minimum", "maximum")
                found[key] = tuple(datum[name][0] for name in names)  # type: ignore[assignment]
        return found

    def _data(self) -> Iterator[dict[str, Any]]:
        for message in self.read(self.writes):
            if message is None:
                return
            body = unframe(message.value())[1]
            yield decode_record(body, schema_text("WindowStatistics"), "WindowStatistics")

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def appended(self) -> list[tuple[int, float]]:
        """Partition and time (POSIX seconds) of each result's append, in order of time."""
        found = []
        for message in self.read(self.writes):
            if message is None:
                return sorted(found, key=lambda one: one[1])
            found.append((int(message.partition() or 0), message.timestamp()[1] / 1e3))
        return found

    def compare(self, seconds: float = 600.0) -> Found:
        """Wait until all is processed, then hold each window against the oracle."""
        deadline = time.monotonic() + seconds
        while self.offsets() != self.ends():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)
        found, wrong, lost, twice = self.results(), [], 0, 0
        for key, window in self.oracle.items():
            expected = window.figures()
            count, *figures = found.get(key, (0, 0.0, 0.0, 0.0))
            lost += max(0, expected[0] - count)
            twice += max(0, count - expected[0])
            if count != expected[0] or not np.allclose(figures, expected[1:], rtol=1e-12, atol=0):
                wrong.append(f"{key}: {found.get(key)}, not {expected}")
        return Found(len(self.oracle), lost, twice, wrong)
