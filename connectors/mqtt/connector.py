"""The connector: connects to a broker, subscribes, and hands on what messages say."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NoReturn

from connectors.mqtt.acknowledgements import Acknowledgements
from connectors.mqtt.browsing import Births, listen, parse_root
from connectors.mqtt.json_payload import JsonPayloads
from connectors.mqtt.link import Link
from connectors.mqtt.message import Message, Outgoing
from connectors.mqtt.payloads import Payloads
from connectors.mqtt.security import explain
from connectors.mqtt.settings import MqttSettings
from connectors.mqtt.sparkplug_payload import SparkplugPayloads
from connectors.mqtt.unheard import Unheard
from penstock.clock import Clock, now
from penstock.commissioning.offers import Browses, Node
from penstock.connector import Batch, Connector, Probe, Sample
from penstock.errors import ConfigurationError
from penstock.quality import BAD_USER_ACCESS_DENIED
from penstock.settings.tags import Tag
from penstock.units import microseconds

_VERSION: Final = "$SYS/broker/version"
_VERSION_SECONDS: Final = 0.5
VOUCH: Final = 1_000_000
"""Microseconds between two looks whether the link lives, where that vouches for values."""


class MqttConnector(Connector, Browses):
    """Subscribes to one broker's messages."""

    Settings = MqttSettings
    EXAMPLE_TAGS = (
        {"asset": "stamping/line1/press07", "tag": "force", "unit": "kN",
         "address": "plant/line1/press07#force.value"},
    )  # fmt: skip
    settings: MqttSettings

    def __init__(
        self, name: str, settings: Any, tags: Sequence[Tag], *, clock: Clock = now
    ) -> None:
        super().__init__(name, settings, tags, clock=clock)
        self._payloads = self._of_kind()
        self._unheard = Unheard(self.tags, microseconds(self.settings.stale_after), self.meter)
        self._acknowledgements = Acknowledgements()
        self._refused: list[Sample] = []
        self._batches: deque[Batch] = deque()
        """Read and not yet handed on; they outlive connections."""
        self._link: Link | None = None

    async def probe(self) -> Probe:
        """Connect beside the running session, ask for the broker's version, and hang up."""
        link = self._new_link("-probe", clean=True)
        begin = time.perf_counter()
        try:
            await link.open()
            latency = (time.perf_counter() - begin) * 1000
            await link.subscribe([_VERSION], 0)
            version = await self._version(link)
        except Exception as error:
            self._fail(error)
        finally:
            await link.close()
        details = {"mqtt": self.settings.version, "tls": "yes" if self.settings.secure else "no"}
        return Probe(version or f"MQTT broker at {self.settings.url}", latency, details)

    async def browse(
        self, root: str | None = None, depth: int | None = None
    ) -> AsyncIterator[Node]:
        """What the births of a Sparkplug group tell; root is `node` or `node/device`."""
        settings = self.settings
        if settings.group is None:
            msg = "topics with JSON payloads do not say what they have"
            raise ConfigurationError(msg, where=self.name, remedy="only Sparkplug can be browsed")
        node, device = (None, None) if root is None else parse_root(root)
        births = Births(settings.group, node, device)
        link = self._new_link("-browse", clean=True)
        try:
            await link.open()
            ask = settings.sparkplug.rebirth
            await listen(link, births, self.meter, self.clock, ask=ask)
        except Exception as error:
            self._fail(error)
        finally:
            await link.close()
        for found in births.nodes(depth):
            yield found

    async def start(self) -> None:
        """Connect and subscribe."""
        await self.stop()
        try:
            will = self._payloads.connecting(self.clock())
            clean = self._payloads.stateful or self.settings.clean_start
            self._link = self._new_link("", clean=clean, will=will)
            await self._link.open()
            refused = await self._link.subscribe(self._payloads.filters, self.settings.qos)
            for message in self._payloads.connected(self.clock()):
                self._link.publish(message)
        except BaseException as error:
            await self.stop()
            if isinstance(error, Exception):
                self._fail(error)
            raise
        self._refused = self._denied({name: str(code) for name, code in refused.items()})
        self._unheard.connected(self.clock())

    async def read(self) -> Batch:
        """Wait for messages; give their samples, and how to acknowledge them.

        What is history in them is a batch of its own behind; with it they are acknowledged.
        """
        while not self._batches:
            self._batches.extend(await self._next())
        return self._batches.popleft()

    async def _next(self) -> Sequence[Batch]:
        link, messages = await self._received()
        samples, self._refused = self._refused, []
        samples += [sample for one in messages for sample in self._payloads.samples(one)]
        history = self._payloads.history()
        self._unheard.heard([*samples, *history])
        samples += self._unheard.overdue(self.clock())
        for message in self._payloads.outgoing(self.clock()):
            link.publish(message)
        numbers = [one.number for one in messages if one.number is not None]
        expect = self._acknowledgements.expect
        if history:
            live = Batch(samples, expect(link.acknowledge, ()))
            kept = expect(link.acknowledge, numbers)
            return live, Batch(history, kept, historical=True)
        if numbers:
            return (Batch(samples, expect(link.acknowledge, numbers)),)
        return (Batch(samples),) if samples else ()

    async def stop(self) -> None:
        """Say goodbye and hang up."""
        link, self._link = self._link, None
        if link is not None:
            await link.close(self._payloads.farewell(self.clock()))

    def _of_kind(self) -> Payloads:
        settings = self.settings
        if settings.payload == "sparkplug-b" and settings.group is not None:
            host = settings.sparkplug.host_id or f"penstock-{self.name}"
            return SparkplugPayloads(
                settings.group, host, settings.sparkplug, self.tags, self.meter
            )
        return JsonPayloads(settings.mapping, self.tags, self.meter)

    async def _received(self) -> tuple[Link, list[Message]]:
        """The link and its next messages; none where something else is due.

        Raises:
            DeviceError: The link is lost.
        """
        link = self._link
        try:
            if link is None:
                msg = "not started"
                raise ConnectionError(msg)
            messages = await self._messages(link)
        except Exception as error:
            self._fail(error)
        if self._payloads.stateful:
            self.meter.vouched = self.clock()
        return link, messages

    async def _messages(self, link: Link) -> list[Message]:
        if self._refused:
            return []
        dues = [due for due in (self._unheard.deadline, self._payloads.due) if due is not None]
        if self._payloads.stateful:
            dues.append(self.clock() + VOUCH)
        if not dues:
            return await link.messages()
        try:
            async with asyncio.timeout(max(0, min(dues) - self.clock()) / 1e6):
                return await link.messages()
        except TimeoutError:
            return []

    def _new_link(self, suffix: str, *, clean: bool, will: Outgoing | None = None) -> Link:
        return Link(
            self.settings,
            (self.settings.client_id or f"penstock-{self.name}") + suffix,
            clean=clean,
            will=will,
            meter=self.meter,
            clock=self.clock,
        )

    async def _version(self, link: Link) -> str:
        try:
            async with asyncio.timeout(_VERSION_SECONDS):
                return (await link.messages())[0].payload.decode(errors="replace")
        except TimeoutError:
            return ""

    def _denied(self, refused: dict[str, str]) -> list[Sample]:
        """Bad samples for the tags whose topics the broker does not let us have."""
        if refused:
            topic, reason = next(iter(refused.items()))
            self.meter.errors += len(refused)
            self.meter.last_error = (
                f"{len(refused)} subscriptions refused, the first {topic}: {reason}; "
                "check the broker's access rules"
            )
        return [
            Sample(tag.asset, tag.tag, math.nan, self.clock(), None, BAD_USER_ACCESS_DENIED)
            for topic in refused
            for tag in self._payloads.tags(topic)
        ]

    def _fail(self, error: Exception) -> NoReturn:
        """Count an error and raise it as a `DeviceError`."""
        found = explain(error, self.settings, f"source {self.name} at {self.settings.url}")
        self.meter.errors += 1
        self.meter.last_error = str(found)
        raise found from (error if found is not error else error.__cause__)
