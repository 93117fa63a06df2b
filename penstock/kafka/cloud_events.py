"""CloudEvents 1.0 on records that IT reads: its Kafka binding, binary mode.

The value stays as it is; the headers say what it is, whose and when, so that gateways, function
platforms and brokers route it without its schema. Specification: CloudEvents 1.0.2, and its Kafka
protocol binding, section 3.2.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from penstock.kafka.topics import ORDERS, TOPICS
from penstock.settings.plant import Plant

CONTENT_TYPE: Final = "application/avro"
"""Of the value: Confluent's five bytes, then the Avro datum."""
HEADERS: Final = {
    "ce_specversion": "Always 1.0.",
    "ce_type": "The record's full name in its schema.",
    "ce_source": "The site, and the component that wrote it.",
    "ce_id": "Of the same source the same for the same event, however often it is sent.",
    "ce_time": "When it was written, RFC 3339.",
    "content-type": f"Always {CONTENT_TYPE}.",
}
"""Name and meaning of each."""
_ZONES: Final = ("dmz", "it")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TELLING: Final = frozenset(
    topic.name for topic in TOPICS if topic.name.split(".")[0] in _ZONES and topic is not ORDERS
)
"""The topics whose records have these headers: what Penstock writes for IT."""


def source(plant: Plant, component: str) -> str:
    """The `ce_source` of a component's records, a URI reference."""
    return f"/{plant.site.path}/{component}"


def headers(
    record: str, source: str, event_id: str, time: int
) -> list[tuple[str, str | bytes | None]]:
    """The headers of one record.

    >>> dict(headers("Alert", "/acme/bremen/alerts", "a-1", 0))["ce_time"]
    b'1970-01-01T00:00:00.000000Z'

    Args:
        record: Name of its schema.
        source: Whose it is.
        event_id: Of the same source the same for the same event only.
        time: Microseconds since 1970-01-01 UTC.
    """
    when = (_EPOCH + timedelta(microseconds=time)).isoformat(timespec="microseconds")
    values = {
        "ce_specversion": "1.0",
        "ce_type": f"io.penstock.v1.{record}",
        "ce_source": source,
        "ce_id": event_id,
        "ce_time": when.replace("+00:00", "Z"),
        "content-type": CONTENT_TYPE,
    }
    return [(name, value.encode()) for name, value in values.items()]
