"""Publishes what each tag of a source means to the catalogue topic."""

import asyncio
from collections.abc import Sequence

from penstock.codec.records import encode_record
from penstock.codec.wire import frame
from penstock.kafka.producers import EventProducer
from penstock.kafka.topics import CATALOG
from penstock.settings.tags import Tag
from penstock.units import microseconds


async def publish_catalogue(
    producer: EventProducer, schema_id: int, source: str, tags: Sequence[Tag]
) -> None:
    """Send one TagDescriptor per tag; the topic is compacted, so that the newest one counts.

    Raises:
        KafkaException: The producer can send nothing any more.
    """
    sent = []
    for tag in tags:
        datum = {
            "asset": tag.asset,
            "tag": tag.tag,
            "source": source,
            "address": tag.address,
            "type": tag.type,
            "role": tag.role.value,
            "unit": tag.unit,
            "low": tag.low,
            "high": tag.high,
            "max": tag.max,
            "deadband": tag.deadband,
            "sampling": microseconds(tag.poll) if tag.poll else None,
            "description": tag.description,
        }
        body = encode_record("TagDescriptor", datum)
        key = f"{tag.asset}/{tag.tag}"
        sent.append(producer.deliver(CATALOG.name, key, frame(schema_id, body)))
    await asyncio.gather(*sent)
