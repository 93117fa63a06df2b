"""Sparkplug B, clause by clause, against a real broker: `docs/reference/sparkplug.md` lists these.

The clauses are those of Eclipse Sparkplug 3.0.0.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from harness import read_until, started, until
from mqtt_broker import MOSQUITTO, WITHOUT_MOSQUITTO, Broker, Peer, settings
from sparkplug_edge import GROUP, NODE, TestEdge, clause, death, metric, now_ms

from connectors.mqtt import MqttConnector, sparkplug_payload
from penstock.connector import Sample
from penstock.errors import DeviceError
from penstock.quality import (
    BAD,
    BAD_DATA_ENCODING_INVALID,
    BAD_NO_COMMUNICATION,
    BAD_NO_DATA,
    BAD_NOT_SUPPORTED,
    GOOD,
    UNCERTAIN_LAST_USABLE_VALUE,
)
from penstock.settings.tags import Tag
from penstock.sparkplug import REBIRTH, DataType, Payload, PropertySet, PropertyValue

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason=WITHOUT_MOSQUITTO)

STATE = "spBv1.0/STATE/penstock-cell"
NCMD = f"spBv1.0/{GROUP}/NCMD/{NODE}"
TAGS = {
    "force": f"{NODE}/press07/force",
    "count": f"{NODE}/press07/count",
    "heat": f"{NODE}//heat",
}


class Rig:
    """A broker, an edge node, and a host application under test."""

    def __init__(self, broker: Broker, spy: Peer, edge: TestEdge) -> None:
        self.broker = broker
        self.spy = spy
        self.edge = edge
        self.host = self.connector()

    def connector(self, **changes: Any) -> MqttConnector:
        chosen = MqttConnector.Settings.model_validate(
            settings(self.broker.port, payload="sparkplug-b", group=GROUP) | changes
        )
        tags = [Tag(asset="press07", tag=name, address=at) for name, at in TAGS.items()]
        return MqttConnector("cell", chosen, tags)

    async def read(self, count: int) -> list[tuple[str, Any, int]]:
        """Tag, value and quality of the next samples."""
        samples = await read_until(self.host, lambda some: len(some) >= count)
        return [(one.tag, one.value, one.quality) for one in samples]

    async def births(self) -> None:
        """Be born with a device; all samples of it are read."""
        await self.edge.nbirth(metric("heat", 21.5))
        await self.edge.dbirth({"force": 1.5, "count": 5})
        assert len(await self.read(3)) == 3

    def requests(self) -> list[Payload]:
        """The rebirth requests so far."""
        return [
            Payload.FromString(bytes(one.payload)) for one in self.spy.received if one.topic == NCMD
        ]

    def states(self) -> list[dict[str, Any]]:
        """Our STATE messages so far."""
        return [json.loads(one.payload) for one in self.spy.received if one.topic == STATE]

    async def asked(self, count: int = 1) -> None:
        """Wait for a rebirth request, reading on meanwhile."""
        reading = asyncio.create_task(self._read_on())
        try:
            await until(lambda: len(self.requests()) >= count, f"{count} rebirth requests")
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read_on(self) -> None:
        while True:
            await self.host.read()


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """All parts, not yet connected to each other; nobody is asked for a first birth."""
    monkeypatch.setattr(sparkplug_payload, "FIRST_REBIRTH", 60_000_000)
    broker = Broker(tmp_path)
    await broker.start()
    spy = await Peer(broker.side).connect("#")
    device = await Peer(broker.side).connect()
    yield Rig(broker, spy, TestEdge(device))
    await spy.close()
    await device.close()
    await broker.kill()


@clause(
    "host-topic-phid-death-required",
    "host-topic-phid-death-qos",
    "host-topic-phid-death-retain",
    "host-topic-phid-death-payload",
    "payloads-state-will-message",
    "operational-behavior-host-application-connect-will",
)
async def test_a_host_that_vanishes_is_offline_by_its_will(rig: Rig) -> None:
    """A host that vanishes is offline: the broker publishes its will, QoS 1, retained."""
    async with started(rig.host):
        await until(lambda: len(rig.states()) == 1, "online")
        assert rig.host._link is not None
        rig.host._link._client.socket().close()  # type: ignore[union-attr]  # as a crash does
        await until(lambda: len(rig.states()) == 2, "offline")
        assert rig.states()[1] == {"online": False, "timestamp": rig.states()[0]["timestamp"]}
        late = await Peer(rig.broker.side).connect(STATE)
        await until(lambda: len(late.received) == 1, "the will is retained")
        assert (late.received[0].retain, late.received[0].qos) == (True, 1)
        await late.close()


@clause(
    "intro-sparkplug-host-state",
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-qos",
    "host-topic-phid-birth-retain",
    "host-topic-phid-birth-topic",
    "host-topic-phid-birth-payload",
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish",
    "payloads-state-birth",
)
async def test_a_host_says_that_it_is_online(rig: Rig) -> None:
    """Once subscribed, the host publishes STATE: online, the will's time stamp, QoS 1, retained."""
    before = now_ms()
    async with started(rig.host):
        late = await Peer(rig.broker.side).connect(STATE)
        await until(lambda: len(late.received) == 1, "STATE is retained")
        (message,) = late.received
        assert (message.retain, message.qos) == (True, 1)
        state = json.loads(message.payload)
        assert state["online"] is True
        assert before <= state["timestamp"] <= now_ms()
        await late.close()


@clause(
    "message-flow-phid-sparkplug-subscription",
    "host-topic-phid-birth-sub-required",
    "host-topic-phid-birth-required",
    "payloads-state-subscribe",
)
async def test_a_host_subscribes_before_it_says_so(rig: Rig) -> None:
    """The subscriptions, to its own STATE too, are there before STATE is published."""
    async with started(rig.host):
        await until(lambda: len(rig.states()) == 1, "online")
    log = rig.broker.log.splitlines()
    sent = next(n for n, line in enumerate(log) if "PUBLISH from penstock-cell" in line)
    granted = [n for n, line in enumerate(log) if "SUBACK to penstock-cell" in line]
    assert granted
    assert max(granted) < sent
    assert any(STATE in line for line in log[:sent] if "SUBSCRIBE" in line or "QoS" in line)


@clause(
    "host-topic-phid-death-payload-disconnect-clean",
    "operational-behavior-host-application-termination",
    "operational-behavior-host-application-death-topic",
    "operational-behavior-host-application-death-retained",
)
async def test_a_host_that_goes_says_goodbye(rig: Rig) -> None:
    """Before DISCONNECT the host publishes STATE offline, with the present time."""
    before = now_ms()
    async with started(rig.host):
        pass
    await until(lambda: len(rig.states()) == 2, "offline")
    gone = rig.states()[1]
    assert gone["online"] is False
    assert before <= rig.states()[0]["timestamp"] <= gone["timestamp"] <= now_ms()


@clause("message-flow-hid-sparkplug-state-message-delivered")
async def test_a_host_that_is_said_to_be_offline_contradicts(rig: Rig) -> None:
    """Delivered its own STATE as offline, the host publishes at once that it is online."""
    async with started(rig.host):
        await until(lambda: len(rig.states()) == 1, "online")
        await rig.edge.peer.publish(STATE, json.dumps({"online": False, "timestamp": 1}))
        reading = asyncio.create_task(rig._read_on())
        await until(lambda: len(rig.states()) == 3, "contradicted")
        reading.cancel()
        await asyncio.wait([reading])
        assert rig.states()[2] == rig.states()[0]


@clause(
    "message-flow-phid-sparkplug-clean-session-311",
    "message-flow-phid-sparkplug-clean-session-50",
)
@pytest.mark.parametrize(("version", "mark"), [("5", "p5, c1"), ("3.1.1", "p2, c1")])
async def test_a_host_starts_clean(rig: Rig, version: str, mark: str) -> None:
    """The session is clean, with MQTT 5 and 3.1.1, whatever `clean_start` says."""
    rig.host = rig.connector(version=version, clean_start=False)
    async with started(rig.host):
        assert f"as penstock-cell ({mark}" in rig.broker.log
        await rig.births()


@clause(
    "payloads-alias-birth-requirement",
    "payloads-alias-data-cmd-requirement",
    "payloads-metric-datatype-req",
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "topics-ddata-payload",
)
async def test_births_define_what_data_mean(rig: Rig) -> None:
    """Births give current values, names, aliases and datatypes; data come by alias or name."""
    async with started(rig.host):
        await rig.edge.nbirth(metric("heat", 21.5))
        await rig.edge.dbirth({"force": 1.5, "count": -5})
        assert await rig.read(3) == [("heat", 21.5, 0), ("force", 1.5, 0), ("count", -5.0, 0)]
        await rig.edge.ddata(metric(None, -6, None, alias=2), metric(None, 2.5, None, alias=1))
        await rig.edge.send("NDATA", [metric("heat", 22.0, None)])
        assert await rig.read(3) == [("count", -6.0, 0), ("force", 2.5, 0), ("heat", 22.0, 0)]
        assert rig.host.meter.errors == 0
        assert rig.requests() == []


@clause(
    "payloads-name-birth-data-requirement",
    "payloads-timestamp-in-UTC",
    "operational-behavior-data-publish-dbirth-values",
)
async def test_metrics_keep_their_times_and_nulls(rig: Rig) -> None:
    """A metric's own time stamp counts; null is a bad sample."""
    async with started(rig.host):
        await rig.births()
        await rig.edge.ddata(
            metric(None, 1.0, None, alias=1, at=5_000),
            metric(None, None, None, alias=1, at=6_000),
        )
        old, null = await read_until(rig.host, lambda some: len(some) >= 2)
        assert old == Sample("press07", "force", 1.0, 5_000_000)
        assert (null.source_time, null.quality) == (6_000_000, BAD_NO_DATA)
        assert math.isnan(float(null.value))


@clause(
    "operational-behavior-data-publish-nbirth-order",
    "operational-behavior-data-publish-dbirth-order",
)
async def test_historical_metrics_are_never_the_current_value(rig: Rig) -> None:
    """A metric marked `is_historical` is history: kept, and never taken for the current value."""
    async with started(rig.host):
        now = now_ms()
        await rig.edge.nbirth(
            metric("heat", 21.5, at=now),
            metric("heat", 20.5, at=now - 60_000, is_historical=True),
        )
        assert await batches(rig, 2) == [(False, [21.5]), (True, [20.5])]
        await rig.edge.dbirth({"force": 1.5, "count": 5})
        await rig.read(2)
        await rig.edge.ddata(
            metric(None, 9.5, None, alias=1, at=now + 60_000, is_historical=True),
            metric(None, 2.5, None, alias=1, at=now + 1_000),
            metric(None, 8.5, None, alias=1, at=now - 60_000, is_historical=True),
        )
        assert await batches(rig, 2) == [(False, [2.5]), (True, [9.5, 8.5])]
        assert rig.host.meter.errors == 0
        await rig.edge.ndeath()
        flagged = sorted(await rig.read(3))
        bad = BAD_NO_COMMUNICATION
        assert flagged == [("count", 5.0, bad), ("force", 2.5, bad), ("heat", 21.5, bad)]


async def batches(rig: Rig, count: int) -> list[tuple[bool, list[Any]]]:
    """Of the next batches that have samples: whether they are history, and their values."""
    found: list[tuple[bool, list[Any]]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            batch = await rig.host.read()
            if batch.samples:
                found.append((batch.historical, [sample.value for sample in batch.samples]))
    return found


@clause("payloads-propertyset-quality-value-value")
@pytest.mark.parametrize(
    ("code", "quality"), [(192, GOOD), (0, BAD), (500, UNCERTAIN_LAST_USABLE_VALUE), (7, BAD)]
)
async def test_the_property_quality_counts(rig: Rig, code: int, quality: int) -> None:
    """The property Quality is 192 good, 0 bad, 500 stale; good where there is none."""
    async with started(rig.host):
        await rig.births()
        properties = PropertySet(keys=["Quality"], values=[PropertyValue(type=3, int_value=code)])
        await rig.edge.ddata(metric(None, 1.0, None, alias=1, properties=properties))
        assert await rig.read(1) == [("force", 1.0, quality)]


@clause(
    "topics-ndata-seq-num",
    "topics-ddata-seq-num",
    "payloads-sequence-num-incrementing",
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "payloads-ncmd-seq",
    "payloads-ncmd-timestamp",
    "topics-ncmd-topic",
    "topics-ncmd-mqtt",
)
async def test_a_gap_in_the_sequence_asks_for_a_rebirth(rig: Rig) -> None:
    """A gap is named, what came is kept, and a rebirth is asked for by NCMD, once."""
    async with started(rig.host):
        await rig.births()
        await rig.edge.ddata(metric(None, 2.5, None, alias=1), seq=7)
        await rig.edge.ddata(metric(None, 3.5, None, alias=1))
        await rig.edge.ddata(metric(None, 4.5, None, alias=1), seq=99)
        assert await rig.read(3) == [("force", v, 0) for v in (2.5, 3.5, 4.5)]
        await rig.asked()
        assert "sequence number 99, not 9" in rig.host.meter.last_error
        (request,) = rig.requests()
        (wanted,) = request.metrics
        assert (wanted.name, wanted.boolean_value) == (REBIRTH, True)
        assert request.timestamp
        assert not request.HasField("seq")
        message = next(one for one in rig.spy.received if one.topic == NCMD)
        assert (message.qos, message.retain) == (0, False)
        assert (rig.host.meter.rebirths, rig.host.meter.writes) == (1, 0)


@clause("payloads-sequence-num-incrementing", "payloads-sequence-num-zero-nbirth")
async def test_the_sequence_goes_from_255_to_0(rig: Rig) -> None:
    """0 follows 255, and a birth may begin anywhere between."""
    async with started(rig.host):
        await rig.edge.nbirth(seq=253)
        await rig.edge.dbirth({"force": 1.5, "count": 5})
        for value in (2.5, 3.5, 4.5):
            await rig.edge.ddata(metric(None, value, None, alias=1))
        assert (await rig.read(5))[-1] == ("force", 4.5, 0)
        assert "sequence" not in rig.host.meter.last_error


@clause("payloads-ddata-seq")
async def test_a_message_without_a_number_is_a_gap(rig: Rig) -> None:
    """A DATA message without a sequence number is named, and a rebirth asked for."""
    async with started(rig.host):
        await rig.births()
        payload = Payload(timestamp=now_ms(), metrics=[metric(None, 2.5, None, alias=1)])
        await rig.edge.raw("DDATA", payload.SerializeToString(), "press07")
        assert await rig.read(1) == [("force", 2.5, 0)]
        await rig.asked()
        assert "sequence number none" in rig.host.meter.last_error


@clause("payloads-ddata-order", "payloads-ndata-order")
@pytest.mark.parametrize("born", [False, True])
async def test_data_before_a_birth_are_not_taken(rig: Rig, born: bool) -> None:
    """DATA before NBIRTH or DBIRTH are named and not guessed at; a rebirth is asked for."""
    async with started(rig.host):
        if born:
            await rig.edge.nbirth(metric("heat", 21.5))
            await rig.read(1)
        await rig.edge.ddata(metric(None, 2.5, None, alias=1))
        await rig.asked()
        assert f"before {'a DBIRTH' if born else 'an NBIRTH'}" in rig.host.meter.last_error
        await rig.births()


@clause("payloads-alias-uniqueness", "payloads-name-requirement")
async def test_an_unknown_alias_is_named(rig: Rig) -> None:
    """An alias that no birth told is named, the other metrics go on, a rebirth is asked for."""
    async with started(rig.host):
        await rig.births()
        await rig.edge.ddata(metric(None, 2.5, None, alias=77), metric(None, 3.5, None, alias=1))
        assert await rig.read(1) == [("force", 3.5, 0)]
        assert "alias 77" in rig.host.meter.last_error
        await rig.asked()


@clause("operational-behavior-data-commands-rebirth-action-2")
async def test_rebirth_requests_are_throttled(rig: Rig) -> None:
    """An edge node that gives cause all the time is asked again only after `rebirth_pause`."""
    rig.host = rig.connector(sparkplug={"rebirth_pause": "1 min"})
    async with started(rig.host):
        await rig.births()
        for number in range(40, 240, 2):
            await rig.edge.ddata(metric(None, 2.5, None, alias=1), seq=number)
        await rig.read(100)
        await rig.asked()
        await rig.births()
        await rig.edge.ddata(metric(None, 2.5, None, alias=1), seq=200)
        await rig.read(1)
        assert len(rig.requests()) == 1


@clause("operational-behavior-data-commands-ncmd-rebirth-verb")
async def test_requests_can_be_switched_off(rig: Rig) -> None:
    """With `rebirth: false` and `state: false` nothing is published at all."""
    rig.host = rig.connector(sparkplug={"rebirth": False, "state": False})
    async with started(rig.host):
        await rig.births()
        await rig.edge.ddata(metric(None, 2.5, None, alias=1), seq=77)
        await rig.read(1)
        await rig.edge.ddata(metric(None, 3.5, None, alias=1))
        await rig.read(1)
    assert rig.host.meter.errors == 1
    assert [one.topic for one in rig.spy.received if one.topic in (STATE, NCMD)] == []


@clause(
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    "payloads-ndeath-will-message",
)
async def test_an_edge_node_that_vanishes_takes_its_devices_along(rig: Rig) -> None:
    """On NDEATH, here its will, all tags of node and devices are BadNoCommunication."""
    peer = Peer(rig.broker.side, keepalive=10)
    will = death(3).SerializeToString()
    peer.client.will_set(f"spBv1.0/{GROUP}/NDEATH/{NODE}", will, 1, False)
    await peer.connect()
    rig.edge = TestEdge(peer, bd_seq=3)
    async with started(rig.host):
        await rig.births()
        await peer.close(vanish=True)
        flagged = sorted(await rig.read(3))
        bad = BAD_NO_COMMUNICATION
        assert flagged == [("count", 5.0, bad), ("force", 1.5, bad), ("heat", 21.5, bad)]
        rig.edge = TestEdge(rig.spy, bd_seq=4)
        await rig.edge.ddata(metric(None, 2.5, None, alias=1))
        await rig.asked()
        await rig.births()


@clause("payloads-ndeath-bdseq", "payloads-nbirth-bdseq", "topics-ndeath-payload")
async def test_a_late_death_of_an_earlier_session_is_ignored(rig: Rig) -> None:
    """An NDEATH whose bdSeq is not the birth's is of an earlier session: nothing happens."""
    rig.edge.bd_seq = 8
    async with started(rig.host):
        await rig.births()
        await rig.edge.send("NDEATH", death(7).metrics, seq=rig.edge.seq - 1)
        await rig.edge.ddata(metric(None, 2.5, None, alias=1))
        assert await rig.read(1) == [("force", 2.5, 0)]
        assert rig.host.meter.errors == 0


@clause(
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    "topics-ddeath-seq-num",
)
async def test_a_device_dies_alone(rig: Rig) -> None:
    """On DDEATH the device's tags are flagged at the message's time stamp; the node goes on."""
    async with started(rig.host):
        await rig.births()
        at = now_ms() + 5_000
        await rig.edge.send("DDEATH", device="press07", at=at)
        await rig.edge.send("NDATA", [metric("heat", 22.0, None)])
        samples = await read_until(rig.host, lambda some: len(some) >= 3)
        flags = {one.tag: (one.quality, one.source_time) for one in samples[:2]}
        expected = (BAD_NO_COMMUNICATION, at * 1_000)
        assert flags == {"force": expected, "count": expected}
        assert (samples[2].value, samples[2].quality) == (22.0, GOOD)
        await rig.edge.ddata(metric(None, 2.5, None, alias=1))
        await rig.asked()


@clause("payloads-dbirth-order", "operational-behavior-data-commands-rebirth-action-3")
async def test_a_rebirth_repeats_no_value_and_ends_a_gap(rig: Rig) -> None:
    """A birth's known values are not given twice; after a death they are, at the present time."""
    async with started(rig.host):
        old = now_ms() - 5_000
        await rig.edge.nbirth(metric("heat", 21.5, at=old))
        assert await rig.read(1) == [("heat", 21.5, 0)]
        await rig.edge.nbirth(metric("heat", 21.5, at=old))
        await rig.edge.send("NDATA", [metric("heat", 22.5, None, at=old + 1)])
        assert await rig.read(1) == [("heat", 22.5, 0)]
        await rig.edge.ndeath()
        assert await rig.read(1) == [("heat", 22.5, BAD_NO_COMMUNICATION)]
        await rig.edge.nbirth(metric("heat", 22.5, at=old + 1))
        (back,) = await read_until(rig.host, lambda some: len(some) >= 1)
        assert (back.value, back.quality) == (22.5, GOOD)
        assert back.source_time > (old + 1) * 1_000


@clause("payloads-dataset-types-def", "payloads-template-is-definition")
@pytest.mark.parametrize("datatype", [DataType.DATASET, DataType.TEMPLATE, DataType.BYTES])
async def test_datasets_and_templates_are_named(rig: Rig, datatype: DataType) -> None:
    """DataSet, Template, Bytes, File and arrays have no single value: BadNotSupported, named."""
    async with started(rig.host):
        await rig.edge.nbirth(metric("heat", None, datatype))
        ((tag, _, quality),) = await rig.read(1)
        assert (tag, quality) == ("heat", BAD_NOT_SUPPORTED)
        assert datatype.name in rig.host.meter.last_error


@clause("topics-nbirth-metric-reqs", "topics-dbirth-metric-reqs")
async def test_a_metric_that_a_birth_does_not_have_is_named(rig: Rig) -> None:
    """A birth has every metric that there will be: a tag that is not in it is named."""
    async with started(rig.host):
        await rig.edge.nbirth(metric("heat", 21.5))
        await rig.edge.dbirth({"force": 1.5})
        await rig.read(2)
        assert "'count'" in rig.host.meter.last_error


@clause("message-flow-edge-node-birth-publish-nbirth-payload")
async def test_a_malformed_payload_flags_its_device_and_no_other(rig: Rig) -> None:
    """Bytes that are no payload are named, the device's tags flagged, a rebirth asked for."""
    async with started(rig.host):
        await rig.births()
        await rig.edge.raw("DDATA", b"\xff\xff\xff", "press07")
        flagged = sorted(await rig.read(2))
        bad = BAD_DATA_ENCODING_INVALID
        assert flagged == [("count", 5.0, bad), ("force", 1.5, bad)]
        await rig.edge.send("NDATA", [metric("heat", 22.0, None)])
        assert await rig.read(1) == [("heat", 22.0, GOOD)]
        await rig.asked()


@clause("topics-nbirth-mqtt", "topics-ddata-mqtt", "payloads-ndeath-will-message-retain")
async def test_a_retained_message_is_passed_over(rig: Rig) -> None:
    """Births, data and deaths must not be retained: one that is, is of unknown age, and named."""
    await rig.edge.raw("NDEATH", death(0).SerializeToString(), retain=True)
    async with started(rig.host):
        await rig.births()
        assert "retained" in rig.host.meter.last_error


@clause("operational-behavior-host-application-host-id")
async def test_edge_nodes_that_are_not_born_are_asked_once_online(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After connecting, an edge node of our tags that is not born soon is asked."""
    monkeypatch.setattr(sparkplug_payload, "FIRST_REBIRTH", 50_000)
    async with started(rig.host):
        await rig.asked()
        await rig.births()
    assert len(rig.requests()) == 1


async def test_a_host_notices_that_the_broker_is_gone(rig: Rig) -> None:
    async with started(rig.host):
        await rig.births()
        await rig.broker.kill()
        with pytest.raises(DeviceError):
            await asyncio.wait_for(rig.read(1), 5)
        await rig.broker.start()
