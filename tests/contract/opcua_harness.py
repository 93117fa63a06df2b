"""An OPC UA server with certificates and a user, on this event loop."""

from pathlib import Path

from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness
from opcua_server import Certificates, OpcuaServer, tag

from connectors.opcua import OpcuaConnector


class OpcuaHarness(Harness):
    """The server; a killed one is a new one when it starts again."""

    component = OpcuaConnector

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = OpcuaServer(self.port, Certificates(folder))

    async def start(self) -> None:
        await self.server.start(GOOD_TAGS)

    async def kill(self) -> None:
        await self.server.kill()

    async def set_value(self, tag: str, value: float | bool | str) -> None:
        await self.server.write(tag, value)

    def connector(self, *, port: int | None = None) -> OpcuaConnector:
        tags = [tag(name, asset=ASSET) for name in (*GOOD_TAGS, MISSING_TAG)]
        changes = {"url": f"opc.tcp://127.0.0.1:{port or self.port}/press/", "timeout": "2 s"}
        return self.server.connector(tags, **changes)

    def writes(self) -> list[str]:
        return self.server.written


HARNESS = OpcuaHarness
