"""A connector that gives what a list says, with crashes where the list says so, for tests."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from penstock.clock import Clock, now
from penstock.connector import Batch, Connector, Probe, Sample, SourceSettings
from penstock.errors import DeviceError
from penstock.settings.tags import Tag
from penstock.units import parse_duration

Step = Sequence[Sample] | Batch | Exception


class ListConnector(Connector):
    """Reads batches from a list; at its end it waits for what `give` adds, as a quiet device.

    A step is samples, a batch of them, or what `read` raises there: the link is lost, and whoever
    runs the connector starts it again, where the list goes on.

    >>> press = ListConnector([[Sample("press07", "power", 1.5, 0)], OSError("unplugged")])
    >>> asyncio.run(press.read()).samples[0].value
    1.5

    Args:
        steps: What `read` does, one after another; may be endless.
        name: Of the source.
        refusals: What the first calls of `start` raise, one after another.
        stale_after: As in a source's settings.
        tags: The source's tags.
        clock: As every connector's.
    """

    def __init__(
        self,
        steps: Iterable[Step] = (),
        *,
        name: str = "list",
        refusals: Iterable[Exception] = (),
        stale_after: str = "1 min",
        tags: Sequence[Tag] = (),
        clock: Clock = now,
    ) -> None:
        settings = SourceSettings(
            type="list", tags=Path("tags.csv"), stale_after=parse_duration(stale_after)
        )
        super().__init__(name, settings, tags, clock=clock)
        self._steps = iter(steps)
        self._given: deque[Step] = deque()
        self._more = asyncio.Event()
        self._refusals = iter(refusals)
        self.starts = 0
        """Calls of `start`."""
        self.stops = 0
        """Calls of `stop`."""
        self.read_samples = 0
        """Samples that `read` has given."""
        self.acknowledged: list[int] = []
        """Numbers of the batches that Kafka has, from 0, in the order in which it said so."""
        self._batches = 0

    def give(self, step: Step) -> None:
        """Put another step behind the list's end."""
        self._given.append(step)
        self._more.set()

    async def probe(self) -> Probe:
        """Say who this is."""
        return Probe("list", 0.0)

    async def start(self) -> None:
        """Connect, or refuse."""
        self.starts += 1
        if (refusal := next(self._refusals, None)) is not None:
            raise self._counted(refusal)

    async def read(self) -> Batch:
        """The next batch."""
        await asyncio.sleep(0)
        step = await self._step()
        if isinstance(step, Exception):
            raise self._counted(step)
        number, self._batches = self._batches, self._batches + 1
        batch = step if isinstance(step, Batch) else Batch(step)
        self.read_samples += len(batch.samples)
        return replace(batch, acknowledge=lambda: self.acknowledged.append(number))

    async def stop(self) -> None:
        """Disconnect."""
        self.stops += 1

    def _counted(self, error: Exception) -> Exception:
        if isinstance(error, DeviceError):
            self.meter.errors += 1
            self.meter.last_error = str(error)
        return error

    async def _step(self) -> Step:
        if (step := next(self._steps, None)) is not None:
            return step
        while not self._given:
            self._more.clear()
            await self._more.wait()
        return self._given.popleft()
