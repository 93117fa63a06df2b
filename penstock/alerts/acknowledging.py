"""Tells the alerts that a person has taken note of one."""

import uuid

from penstock.alerts.reading import Datum
from penstock.clock import now
from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.errors import ConfigurationError
from penstock.kafka import cloud_events
from penstock.kafka.admin import ensure_topics
from penstock.kafka.producers import SyncProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import ACKNOWLEDGEMENTS
from penstock.settings.plant import Plant

MOST_CHARACTERS = 500
"""Of a name or a note."""


def acknowledge(plant: Plant, alert: Datum, by: str, note: str | None = None) -> None:
    """Publish an acknowledgement; returns once Kafka has it.

    Raises:
        ConfigurationError: The name is empty, or name or note are too long.
        KafkaUnavailableError: Kafka does not take it.
        RegistryUnavailableError: The registry does not answer.
    """
    by = by.strip()
    if not by or max(len(by), len(note or "")) > MOST_CHARACTERS:
        msg = f"who acknowledges needs a name; name and note have at most {MOST_CHARACTERS} letters"
        raise ConfigurationError(msg, where="--by", remedy="give your name, as --by 'Ann Lee'")
    ensure_topics(plant.kafka, [ACKNOWLEDGEMENTS])
    schema = Registry(plant.registry).register(ACKNOWLEDGEMENTS.name, str(ACKNOWLEDGEMENTS.record))
    datum = {
        "alert": alert["id"],
        "asset": alert["asset"],
        "by": by,
        "time": now(),
        "note": note,
    }
    body = encode_record(str(ACKNOWLEDGEMENTS.record), datum)
    producer = SyncProducer(plant.kafka, f"{plant.environment}-alerts")
    told = cloud_events.headers(
        str(ACKNOWLEDGEMENTS.record),
        cloud_events.source(plant, "acknowledgements"),
        uuid.uuid4().hex,
        datum["time"],
    )
    producer.send(ACKNOWLEDGEMENTS.name, alert["asset"].encode(), frame(schema, body), told)
    producer.flush()
