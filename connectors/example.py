"""A connector to copy: devices that speak lines of text over TCP, as many scales and gauges do.

```yaml
sources:
  scale:
    type: example
    host: 192.168.0.17
    port: 4001
    tags: tags/scale.csv
```

The connector asks for each tag once, with the line `subscribe ADDRESS`. The device answers, now and
whenever the value changes, with `ADDRESS VALUE`, or with `ADDRESS ! REASON` where it cannot. A
tag's `type` is `number` (where none is given), `bit` (0 or 1) or `string`.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from penstock.clock import Clock, now
from penstock.connector import Batch, Connector, Probe, Sample, SourceSettings
from penstock.errors import ConfigurationError, DeviceError
from penstock.quality import BAD_DEVICE_FAILURE, BAD_TYPE_MISMATCH, GOOD
from penstock.settings.tags import Tag
from penstock.units import Duration, parse_duration

TYPES = ("number", "bit", "string")


class ExampleSettings(SourceSettings):
    """Where the device is."""

    host: str = Field(description="Name or IP address of the device.")
    port: int = Field(4001, ge=1, le=65535, description="TCP port of the device.")
    timeout: Duration = Field(
        parse_duration("1 s"), description="How long the device may take to accept a connection."
    )


def decode(text: str, type_: str) -> tuple[float | bool | str, int]:
    """A value as the device writes it, and its quality.

    >>> decode("20.5", "number"), decode("1", "bit"), decode("L-17", "string")
    ((20.5, 0), (True, 0), ('L-17', 0))
    >>> [decode(text, "number")[1] for text in ("! sensor broken", "warm")] == [
    ...     BAD_DEVICE_FAILURE,
    ...     BAD_TYPE_MISMATCH,
    ... ]
    True
    """
    if text.startswith("!"):
        return float("nan"), BAD_DEVICE_FAILURE
    if type_ == "string":
        return text, GOOD
    if type_ == "bit" and text in {"0", "1"}:
        return text == "1", GOOD
    try:
        return (float(text), GOOD) if type_ == "number" else (float("nan"), BAD_TYPE_MISMATCH)
    except ValueError:
        return float("nan"), BAD_TYPE_MISMATCH


class ExampleConnector(Connector):
    """Subscribes to the tags of one device that speaks lines of text."""

    Settings = ExampleSettings

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        super().__init__(name, settings, tags, clock=clock)
        for tag in self.tags:
            if (tag.type or TYPES[0]) not in TYPES:
                msg = f"tag {tag.tag!r} has type {tag.type!r}"
                raise ConfigurationError(
                    msg, where=tag.where, remedy=f"write one of {', '.join(TYPES)}"
                )
        self._tags = {tag.address: tag for tag in self.tags}
        self._where = f"{settings.host}:{settings.port}"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def probe(self) -> Probe:
        """Connect and hang up: the device has no way to say more of itself."""
        begin = time.perf_counter()
        _, writer = await self._connect()
        writer.close()
        return Probe(f"text device at {self._where}", (time.perf_counter() - begin) * 1000)

    async def start(self) -> None:
        """Connect and subscribe to every tag."""
        self._reader, self._writer = await self._connect()
        for address in self._tags:
            self._writer.write(f"subscribe {address}\n".encode())
            self.meter.requests += 1

    async def read(self) -> Batch:
        """Wait for a line of one of the tags; other lines are passed over."""
        while True:
            address, _, text = (await self._line()).partition(" ")
            if tag := self._tags.get(address):
                value, quality = decode(text.strip(), tag.type or TYPES[0])
                if quality != GOOD:
                    self._fail(f"{address} {text.strip()}")
                elif type(value) is float:
                    value = value * tag.scale + tag.offset
                sample = Sample(tag.asset, tag.tag, value, self.clock(), quality=quality)
                return Batch([sample])

    async def stop(self) -> None:
        """Hang up."""
        if self._writer:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()):
                return await asyncio.open_connection(self.settings.host, self.settings.port)
        except (OSError, TimeoutError) as error:
            self._fail(str(error) or "no answer")
            msg = f"cannot connect: {self.meter.last_error}"
            raise self._error(msg) from error

    async def _line(self) -> str:
        """The next line, without its end."""
        try:
            line = await self._reader.readuntil() if self._reader else b""
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._fail(str(error))
            line = b""
        if not line:
            msg = "the connection is lost"
            raise self._error(msg)
        self.meter.bytes_received += len(line)
        return line.decode(errors="replace").strip()

    def _fail(self, message: str) -> None:
        self.meter.errors += 1
        self.meter.last_error = message

    def _error(self, message: str) -> DeviceError:
        remedy = "check that the device is on, and that host and port are right"
        return DeviceError(message, where=f"source {self.name} at {self._where}", remedy=remedy)
