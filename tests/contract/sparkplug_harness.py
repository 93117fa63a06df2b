"""A real MQTT broker and a Sparkplug edge node, which is born again when it is asked."""

import asyncio
import json
from pathlib import Path
from typing import Any

from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness
from mqtt_broker import Broker, Peer, settings
from sparkplug_edge import GROUP, NODE, TestEdge, metric

from connectors.mqtt import MqttConnector
from penstock.settings.tags import Tag
from penstock.sparkplug import REBIRTH, Payload


class SparkplugHarness(Harness):
    """Broker and edge node; what is published besides STATE and rebirth requests is a write."""

    component = MqttConnector

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker = Broker(folder, port=self.port)
        self.edge: TestEdge | None = None
        self.values = dict(GOOD_TAGS)
        self.births: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.values = dict(GOOD_TAGS)
        await self.broker.start()
        peer = await Peer(self.broker.side).connect(f"spBv1.0/{GROUP}/NCMD/#", "spBv1.0/STATE/#")
        self.edge = TestEdge(peer)
        loop = asyncio.get_running_loop()

        def answer(_: Any, __: Any, message: Any) -> None:
            peer.received.append(message)
            loop.call_soon_threadsafe(self._commanded, message)

        peer.client.on_message = answer
        await self._birth()

    def _commanded(self, message: Any) -> None:
        """Be born when asked, and when the host comes online."""
        online = "/STATE/" in message.topic and json.loads(message.payload)["online"]
        if online or message.topic.endswith(f"/NCMD/{NODE}"):
            task = asyncio.create_task(self._birth())
            self.births.add(task)
            task.add_done_callback(self.births.discard)

    async def _birth(self) -> None:
        if self.edge is not None:
            await self.edge.nbirth()
            await self.edge.dbirth(self.values)

    async def kill(self) -> None:
        edge, self.edge = self.edge, None
        if edge is not None:
            await asyncio.gather(*self.births, return_exceptions=True)
            await edge.peer.close()
        await self.broker.kill()

    async def set_value(self, tag: str, value: float | bool | str) -> None:
        assert self.edge
        self.values[tag] = value
        await self.edge.ddata(metric(None, value, None, alias=list(GOOD_TAGS).index(tag) + 1))

    def connector(self, *, port: int | None = None) -> MqttConnector:
        chosen = MqttConnector.Settings.model_validate(
            settings(
                port or self.port,
                payload="sparkplug-b",
                group=GROUP,
                stale_after="3 s",
                sparkplug={"rebirth_pause": "1 s"},
            )
        )
        tags = [Tag(asset=ASSET, tag=tag, address=f"{NODE}/press07/{tag}")
                for tag in (*GOOD_TAGS, MISSING_TAG)]  # fmt: skip
        return MqttConnector("cell", chosen, tags)

    def writes(self) -> list[str]:
        assert self.edge
        return [
            message.topic
            for message in self.edge.peer.received
            if not message.topic.startswith("spBv1.0/STATE/")
            and [one.name for one in Payload.FromString(message.payload).metrics] != [REBIRTH]
        ]


HARNESS = SparkplugHarness
