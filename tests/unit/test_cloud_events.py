"""Records for IT bear CloudEvents' headers; its own package reads them."""

from datetime import UTC, datetime
from types import SimpleNamespace

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from penstock.kafka import cloud_events
from penstock.kafka.topics import FEATURES, KPIS
from penstock.operator import Result
from schemas import Version
from streams.host.encoders import Encoders


def encoders(topic):
    processor = SimpleNamespace(
        writes=topic.name, record=topic.record, encode=lambda result, version: b"\xff"
    )
    return Encoders(processor, 7, {}, "/acme/bremen/line-kpis", clock=lambda: 1_790_000_000_000_001)


def test_a_result_for_it_is_a_cloud_event_and_the_same_one_when_sent_again():
    message = encoders(KPIS).result(Result("line 1", None), Version(2, (30, 7), 4))
    event = from_binary(KafkaMessage(dict(message.headers), message.key, message.value),
                        JSONFormat())  # fmt: skip
    assert event.get_specversion() == "1.0"
    assert event.get_type() == "io.penstock.v1.KpiWindow"
    assert event.get_source() == "/acme/bremen/line-kpis"
    assert event.get_id() == "line 1/2.30.7.4"
    assert event.get_time() == datetime(2026, 9, 21, 14, 13, 20, 1, UTC)
    assert event.get_datacontenttype() == "application/avro"
    assert event.get_data() == b"\x00\x00\x00\x00\x07\xff"
    again = encoders(KPIS).result(Result("line 1", None), Version(2, (30, 7), 4))
    assert again == message


def test_what_ot_reads_bears_none():
    assert encoders(FEATURES).result(Result("a", None), Version(1, (1,), 0)).headers == ()
    assert all(not topic.startswith("ot.") for topic in cloud_events.TELLING)
    assert "it.erp.orders.v1" not in cloud_events.TELLING  # others write it
