"""`penstock connectors browse` of a Sparkplug group, by births that a real broker carries."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from harness import until
from mqtt_broker import MOSQUITTO, WITHOUT_MOSQUITTO, Broker, Peer, settings
from sparkplug_edge import GROUP, NODE, TestEdge, metric
from typer.testing import CliRunner

from connectors.mqtt import MqttConnector, browsing
from penstock.cli import app
from penstock.commissioning.offers import Node
from penstock.commissioning.rows import as_csv, rows_of
from penstock.commissioning.tree import tree
from penstock.errors import ConfigurationError, DeviceError
from penstock.sparkplug import DataType, PropertySet, PropertyValue

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason=WITHOUT_MOSQUITTO)


@pytest.fixture
async def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    monkeypatch.setattr(browsing, "LISTEN_SECONDS", 1.5)
    running = Broker(tmp_path)
    await running.start()
    yield running
    await running.kill()


class Plant:
    """Edge nodes that are born again when they are asked."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.asked: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.peer = await Peer(self.broker.side).connect(f"spBv1.0/{GROUP}/NCMD/+")
        self.edges = {name: TestEdge(self.peer, node=name) for name in (NODE, "Edge2")}
        loop = asyncio.get_running_loop()

        def answer(_: Any, __: Any, message: Any) -> None:
            loop.call_soon_threadsafe(self._commanded, message.topic)

        self.peer.client.on_message = answer

    def _commanded(self, topic: str) -> None:
        name = topic.rpartition("/")[2]
        self.asked.append(name)
        self.tasks.add(asyncio.create_task(self.birth(name)))

    async def birth(self, name: str) -> None:
        edge = self.edges[name]
        await edge.nbirth(metric("heat", 21.5))
        unit = PropertyValue(type=DataType.STRING, string_value="kN")
        told = {
            "properties": PropertySet(keys=["engUnit"], values=[unit]),
            "metadata": {"description": "press force"},
        }
        force = metric("Drive/Force", 1.5, **told)
        await edge.send(
            "DBIRTH",
            [
                force,
                metric("count", 5, DataType.INT32),
                metric("lot", "L-1", DataType.STRING),
                metric("none", None, DataType.BOOLEAN),
                metric("table", None, DataType.DATASET),
            ],
            "press07",
        )

    async def talk(self) -> None:
        """Report of changes, as edge nodes do all the time."""
        while True:
            await self.edges["Edge2"].ddata(metric("count", 6, DataType.INT32))
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        await asyncio.gather(*self.tasks)
        await self.peer.close()


@pytest.fixture
async def plant(broker: Broker) -> AsyncIterator[Plant]:
    running = Plant(broker)
    await running.start()
    yield running
    await running.stop()


def connector(broker: Broker, **changes: Any) -> MqttConnector:
    chosen = settings(broker.port, payload="sparkplug-b", group=GROUP) | changes
    return MqttConnector("cell", MqttConnector.Settings.model_validate(chosen), [])


async def browsed(found: MqttConnector, *where: Any) -> list[Node]:
    return [node async for node in found.browse(*where)]


async def test_a_group_is_a_tree_of_edge_nodes_devices_and_metrics(plant: Plant) -> None:
    host = connector(plant.broker)
    talking = asyncio.create_task(plant.talk())
    listening = asyncio.create_task(browsed(host))
    await until(lambda: "$sparkplug/certificates" in plant.broker.log, "subscribed")
    await plant.birth(NODE)
    found = await listening
    talking.cancel()
    assert plant.asked == ["Edge2"], "who speaks without a birth is asked, once; nobody else"
    assert host.meter.rebirths == 1
    assert host.meter.writes == 0
    lines = "\n".join(tree(found))
    assert (
        lines
        == """\
Stamping
├── Edge1
│   ├── heat  double  Edge1//heat  = 21.5
│   └── press07
│       ├── Drive/Force  double  Edge1/press07/Drive/Force  = 1.5
│       ├── count  int32  Edge1/press07/count  = 5
│       ├── lot  string  Edge1/press07/lot  = L-1
│       ├── none  boolean  Edge1/press07/none
│       └── table
└── Edge2
    ├── heat  double  Edge2//heat  = 21.5
    └── press07
        ├── Drive/Force  double  Edge2/press07/Drive/Force  = 1.5
        ├── count  int32  Edge2/press07/count  = 5
        ├── lot  string  Edge2/press07/lot  = L-1
        ├── none  boolean  Edge2/press07/none
        └── table"""
    )
    force = next(node for node in found if node.path[-1] == "Drive/Force")
    assert (force.unit, force.description) == ("kN", "press force")
    assert "Stamping/Edge1/press07,Drive_Force,Edge1/press07/Drive/Force" in as_csv(
        list(rows_of(found))
    )


async def test_from_a_named_edge_node_or_device_on(plant: Plant) -> None:
    host = connector(plant.broker)
    found = await browsed(host, f"{NODE}/press07", 1)
    assert plant.asked == [NODE], "a named one is asked at once"
    assert [node.address for node in found][:3] == [
        "Edge1", "Edge1/press07", "Edge1/press07/Drive/Force"
    ]  # fmt: skip
    own = await browsed(host, f"{NODE}/")
    assert [node.address for node in own] == ["Edge1", "Edge1//heat"]
    assert [node.address for node in await browsed(host, NODE, 1)] == [
        "Edge1", "Edge1//heat", "Edge1/press07"
    ]  # fmt: skip


async def test_nobody_is_asked_where_settings_forbid_it(plant: Plant) -> None:
    host = connector(plant.broker, sparkplug={"rebirth": False})
    talking = asyncio.create_task(plant.talk())
    found = await browsed(host)
    talking.cancel()
    assert not plant.asked
    assert found == [Node((GROUP, "Edge2"), "Edge2")]


async def test_silence_a_wrong_root_and_json_are_named(broker: Broker) -> None:
    with pytest.raises(DeviceError, match="no edge node of group 'Stamping' said anything"):
        await browsed(connector(broker))
    with pytest.raises(ConfigurationError, match="no edge node, and no device"):
        await browsed(connector(broker), "a/b/c")
    json_host = connector(broker, payload="json", group=None)
    with pytest.raises(ConfigurationError, match="do not say what they have"):
        await browsed(json_host)


async def test_the_command_shows_the_tree(plant: Plant, tmp_path: Path) -> None:
    source = settings(plant.broker.port, payload="sparkplug-b", group=GROUP)
    config = tmp_path / "plant.yaml"
    (tmp_path / "tags.csv").write_text("asset,tag,address\npress07,heat,Edge1//heat\n")
    config.write_text(json.dumps({"site": {"path": "acme/lab"}, "sources": {"cell": source}}))
    words = ["connectors", "browse", "cell", "--config", str(config), "--root", NODE]
    told = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert told.exit_code == 0, told.exception
    assert "heat  double  Edge1//heat  = 21.5" in told.output
