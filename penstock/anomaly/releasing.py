"""Tells the detectors that what an asset does now is normal: a person's word, as a sample."""

from typing import Final

from penstock.anomaly.settings import RELEASE
from penstock.clock import now
from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.connector import Sample
from penstock.errors import ConfigurationError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.producers import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.settings.plant import Plant
from penstock.settings.problems import suggestion

SOURCE: Final = "operator"
"""The source of that sample."""
_MOST_CHARACTERS: Final = 500


def release(plant: Plant, asset: str, by: str) -> int:
    """Publish a sample of `RELEASE` whose value is who released; gives its time, microseconds.

    Args:
        plant: Where Kafka is.
        asset: Path, with or without the site.
        by: Who it was.

    Raises:
        ConfigurationError: There is no such asset, or no name.
        KafkaUnavailableError: Kafka does not take it.
        RegistryUnavailableError: The registry does not answer.
    """
    known = {tag.asset for tags in plant.tags.values() for tag in tags} | set(plant.assets)
    named = asset.removeprefix(f"{plant.site.path}/")
    if named not in known:
        msg = f"there is no asset {asset!r}"
        raise ConfigurationError(msg, remedy=suggestion(named, known))
    if not by.strip() or len(by) > _MOST_CHARACTERS:
        msg = f"who releases needs a name of at most {_MOST_CHARACTERS} letters"
        raise ConfigurationError(msg, where="--by", remedy="give your name, as --by 'Ann Lee'")
    ensure_topics(plant.kafka, [SENSORS])
    schema = Registry(plant.registry).register(SENSORS.name, str(SENSORS.record))
    time, path = now(), plant.asset_path(named)
    sample = Sample(path, RELEASE, by.strip(), time)
    (event,) = build_events([sample], source=SOURCE, session=f"{time:x}", sequences={}, ingest=time)
    producer = SyncProducer(plant.kafka, f"{plant.environment}-anomalies")
    producer.send(SENSORS.name, path.encode(), frame(schema, encode(event)))
    producer.flush()
    return time
