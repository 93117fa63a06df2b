"""A device that speaks lines of text, as `connectors/example.py` reads it."""

import asyncio
from pathlib import Path

from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness

from connectors.example import ExampleConnector, ExampleSettings
from penstock.settings.tags import Tag

TYPES = {"temperature": "number", "running": "bit", "lot": "string", MISSING_TAG: "number"}


class ExampleHarness(Harness):
    """The device: a server on this event loop."""

    component = ExampleConnector

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.values = dict(GOOD_TAGS)
        self.log: list[str] = []
        self.links: set[asyncio.StreamWriter] = set()
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        self.values = dict(GOOD_TAGS)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def kill(self) -> None:
        if self.server:
            self.server.close()
            for link in self.links:
                link.transport.abort()
            await self.server.wait_closed()
            self.server = None

    async def set_value(self, tag: str, value: float | bool | str) -> None:
        self.values[tag] = value
        for link in self.links:
            link.write(self._line(tag))

    def connector(self, *, port: int | None = None) -> ExampleConnector:
        settings = ExampleSettings.model_validate(
            {
                "type": "example",
                "host": "127.0.0.1",
                "port": port or self.port,
                "tags": "tags.csv",
                "timeout": "2 s",
            }
        )
        tags = [Tag(asset=ASSET, tag=tag, address=tag, type=TYPES[tag]) for tag in TYPES]
        return ExampleConnector("scale", settings, tags)

    def writes(self) -> list[str]:
        return [line for line in self.log if not line.startswith("subscribe ")]

    def _line(self, tag: str) -> bytes:
        value = self.values.get(tag, "! unknown")
        text = str(int(value)) if isinstance(value, bool) else str(value)
        return f"{tag} {text}\n".encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links.add(writer)
        try:
            while line := (await reader.readline()).decode().strip():
                self.log.append(line)
                writer.write(self._line(line.removeprefix("subscribe ")))
        except ConnectionError:
            pass
        finally:
            self.links.discard(writer)
            writer.close()


HARNESS = ExampleHarness
