"""A real MQTT broker, and a device that publishes its values as JSON and has them retained."""

import json
import time
from pathlib import Path

from harness import ASSET, GOOD_TAGS, MISSING_TAG, Harness
from mqtt_broker import Broker, Peer, settings

from connectors.mqtt import MqttConnector
from penstock.settings.tags import Tag


class MqttHarness(Harness):
    """The broker and the device; what is published that the device did not is a write."""

    component = MqttConnector

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker = Broker(folder, port=self.port)
        self.device: Peer | None = None
        self.published: list[str] = []

    async def start(self) -> None:
        await self.broker.start()
        self.device = await Peer(self.broker.side).connect("#")
        for tag, value in GOOD_TAGS.items():
            await self.set_value(tag, value)

    async def kill(self) -> None:
        if self.device is not None:
            await self.device.close()
            self.device = None
        await self.broker.kill()

    async def set_value(self, tag: str, value: float | bool | str) -> None:
        assert self.device
        payload = json.dumps({"value": value, "time": time.time_ns() // 1000})
        self.published.append(f"press07/{tag}")
        await self.device.publish(f"press07/{tag}", payload, retain=True)

    def connector(self, *, port: int | None = None) -> MqttConnector:
        mapping = {"value": "value", "time": "time", "time_unit": "us", "retained": "good"}
        chosen = MqttConnector.Settings.model_validate(
            settings(port or self.port, mapping=mapping, stale_after="1 s")
        )
        tags = [Tag(asset=ASSET, tag=tag, address=f"press07/{tag}")
                for tag in (*GOOD_TAGS, MISSING_TAG)]  # fmt: skip
        return MqttConnector("cell", chosen, tags)

    def writes(self) -> list[str]:
        assert self.device
        others = list(self.device.topics())
        for topic in self.published:
            if topic in others:
                others.remove(topic)
        return others


HARNESS = MqttHarness
