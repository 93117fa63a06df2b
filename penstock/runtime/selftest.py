"""Sends a sample through the pipeline and waits for its window: shows that KPIs can flow."""

import time
from typing import Any, Final, NamedTuple

from penstock.clock import now
from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.connector import Sample
from penstock.errors import SelftestError
from penstock.kafka.producers import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import FEATURES, SENSORS
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant
from penstock.units import microseconds

SOURCE: Final = "penstock-selftest"
"""No source of a plant is called so, whose results this could be taken for."""
ASSET: Final = "penstock/selftest"
"""Below the site."""
TAG: Final = "heartbeat"


class Passed(NamedTuple):
    """What came of a test."""

    asset: str
    seconds: float
    """From the acknowledgement of the sample to its window."""


def selftest(plant: Plant, seconds: float) -> Passed:
    """Publish a sample of an asset of our own, and a later one that closes its window.

    Both are kept as any other: in the lake they are rows of the asset `penstock/selftest`.

    Args:
        plant: Where Kafka and the registry are, and the windows.
        seconds: How long to wait for the window.

    Raises:
        SelftestError: The window did not come, or holds another value.
    """
    size = min(map(microseconds, plant.windows.sizes))
    late = microseconds(plant.windows.out_of_order)
    time_now, asset = now(), plant.asset_path(ASSET)
    start = (time_now - late - size) // size * size
    value = float(time_now % 1_000_000)
    samples = [Sample(asset, TAG, value, start), Sample(asset, TAG, value, time_now)]
    decoder = Decoder(registry := Registry(plant.registry))
    with Tail(plant.kafka, {FEATURES.name: 0}, f"{plant.environment}-selftest") as tail:
        tail.poll(seconds=0.1)  # from here on
        _publish(plant, registry, samples)
        began = time.monotonic()
        while (waited := time.monotonic() - began) < seconds:
            for message in tail.poll():
                window: Any = decoder.record(message).value
                place = (window["asset"], window["source"], window["window_start"])
                if place == (asset, SOURCE, start) and value in window["last"]:
                    return Passed(asset, waited)
    msg = f"no window of {asset} came within {seconds:g} s after its sample was acknowledged"
    raise SelftestError(msg, where=FEATURES.name, remedy="look at the workers of window-statistics")


def _publish(plant: Plant, registry: Registry, samples: list[Sample]) -> None:
    ingest = now()
    (event,) = build_events(
        samples, source=SOURCE, session=f"{ingest:x}", sequences={}, ingest=ingest
    )
    schema_id = registry.register(SENSORS.name, str(SENSORS.record))
    producer = SyncProducer(plant.kafka, f"{plant.environment}-selftest")
    producer.send(SENSORS.name, event.asset.encode(), frame(schema_id, encode(event)))
    producer.flush()
