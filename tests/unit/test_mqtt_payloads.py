"""JSON payloads of MQTT messages: addresses, templates, arrays, times, qualities, nonsense."""

import json
import math
from typing import Any

import pytest

from connectors.mqtt.acknowledgements import Acknowledgements
from connectors.mqtt.json_payload import JsonPayloads
from connectors.mqtt.message import Message
from connectors.mqtt.paths import MISSING, PayloadPath
from connectors.mqtt.settings import MappingSettings, MqttSettings
from connectors.mqtt.unheard import Unheard
from penstock.connector import Meter, Sample
from penstock.errors import ConfigurationError
from penstock.quality import (
    BAD,
    BAD_DATA_ENCODING_INVALID,
    BAD_NO_DATA,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    BAD_WAITING_FOR_INITIAL_DATA,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_LAST_USABLE_VALUE,
)
from penstock.settings.tags import Tag

NOW = 1_700_000_000_000_000


def tag(address: str, name: str = "force", **more: Any) -> Tag:
    return Tag(asset="press07", tag=name, address=address, where="tags.csv:2", **more)


def payloads(*tags: Tag, **mapping: Any) -> JsonPayloads:
    return JsonPayloads(MappingSettings.model_validate(mapping), tags, Meter())


def message(payload: object, topic: str = "a/b", **more: Any) -> Message:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, body, NOW, **more)


def read(found: JsonPayloads, payload: object, **more: Any) -> list[tuple[Any, int, int]]:
    samples = found.samples(message(payload, **more))
    return [(sample.value, sample.source_time, sample.quality) for sample in samples]


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("", 5, 5),
        ("$", 5, 5),
        ("$.a.b", {"a": {"b": 1}}, 1),
        ("a[1].b", {"a": [0, {"b": 2}]}, 2),
        ("[0]", [7], 7),
        ('["x.y"].z', {"x.y": {"z": 3}}, 3),
        ("m[name=speed].v", {"m": [{"name": "load"}, {"name": "speed", "v": 4}]}, 4),
        ("a[*]", {"a": [1, 2]}, [1, 2]),
        ("a[*].v", {"a": [{"v": 1}, {"w": 2}]}, [1, MISSING]),
        ("a.b", {"a": 1}, MISSING),
        ("a[3]", {"a": [1]}, MISSING),
        ("a[*]", {"a": 1}, MISSING),
    ],
)
def test_a_path_leads_to_a_value(path: str, data: object, expected: object) -> None:
    assert PayloadPath(path).find(data) == expected


@pytest.mark.parametrize("path", ["a[", "a[x]", "a..b", "a[*].b[*]", '["a'])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        PayloadPath(path)


def test_an_address_is_a_topic_and_a_path() -> None:
    found = payloads(tag("a/b#x.y"), tag("a/b", "all"), value="z")
    assert found.filters == ["a/b"]
    assert read(found, {"x": {"y": 1}, "z": 2}) == [(1.0, NOW, GOOD), (2.0, NOW, GOOD)]
    assert read(found, {"z": 2}) == [(2.0, NOW, GOOD)]
    assert read(found, {"z": 2}, topic="a/c") == []


def test_an_address_fills_the_templates() -> None:
    found = payloads(
        tag("line1/press07/motor"),
        topic="plant/{line}/{machine}",
        value="{signal}.v",
        time="{signal}.t",
        time_unit="s",
    )
    assert found.filters == ["plant/line1/press07"]
    data = {"motor": {"v": 3, "t": 12}}
    assert read(found, data, topic="plant/line1/press07") == [(3.0, 12_000_000, GOOD)]


@pytest.mark.parametrize(
    ("address", "mapping", "words"),
    [
        ("line1", {"topic": "p/{line}/{machine}"}, "does not say what line, machine are"),
        ("line1//x", {"topic": "p/{line}/{machine}/{s}"}, "does not say"),
        ("a/+/b", {}, "no topic"),
        ("#x", {}, "no topic"),
        ("a#b[", {}, "cannot be read"),
        ("a", {"value": "{signal}"}, "only be filled"),
    ],
)
def test_an_address_that_cannot_be_used_names_its_line(
    address: str, mapping: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        payloads(tag(address), **mapping)
    assert words in error.value.message
    assert error.value.where == "tags.csv:2"
    assert error.value.remedy


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="float32"):
        payloads(tag("a", type="float32"))


@pytest.mark.parametrize(
    ("payload", "type_", "expected"),
    [
        (b"20.5", None, (20.5, GOOD)),
        (b"true", None, (True, GOOD)),
        (b'"L-1"', None, ("L-1", GOOD)),
        (b'"20.5"', "number", (20.5, GOOD)),
        (b'"warm"', "number", (math.nan, BAD_TYPE_MISMATCH)),
        (b"1", "bool", (True, GOOD)),
        (b'"ON"', "bool", (True, GOOD)),
        (b"2", "bool", (math.nan, BAD_TYPE_MISMATCH)),
        (b"RUN", "string", ("RUN", GOOD)),
        (b"RUN", None, (math.nan, BAD_DATA_ENCODING_INVALID)),
        (b"\xff\xfe", "string", (math.nan, BAD_DATA_ENCODING_INVALID)),
        (b"[" * 100_000, None, (math.nan, BAD_DATA_ENCODING_INVALID)),
        (b"null", None, (math.nan, BAD_NO_DATA)),
        (b"{}", None, (math.nan, BAD_TYPE_MISMATCH)),
        (b"1" + b"0" * 400, None, (math.nan, BAD_OUT_OF_RANGE)),
        (b"Infinity", None, (math.inf, BAD_OUT_OF_RANGE)),
        (b"9007199254740993", None, (9007199254740992.0, UNCERTAIN)),
    ],
)
def test_a_value_is_taken_or_flagged(
    payload: bytes, type_: str | None, expected: tuple[Any, int]
) -> None:
    meter = Meter()
    found = JsonPayloads(MappingSettings(), [tag("a/b", type=type_)], meter)
    (sample,) = found.samples(message(payload))
    assert sample.quality == expected[1]
    assert sample.value == pytest.approx(expected[0], nan_ok=True)
    assert type(sample.value) is type(expected[0])
    assert meter.errors == (expected[1] < 0)
    assert ("a/b" in meter.last_error) == (expected[1] < 0)


@pytest.mark.parametrize(
    ("unit", "time", "micros"),
    [
        ("s", 1.5, 1_500_000),
        ("ms", 1_700_000_000_123, 1_700_000_000_123_000),
        ("us", "17", 17),
        ("ns", 1_999, 1),
        ("iso", "2026-01-01T00:00:00.5Z", 1_767_225_600_500_000),
        ("iso", "2026-01-01T01:00:00+01:00", 1_767_225_600_000_000),
        ("iso", "2026-01-01T00:00:00", 1_767_225_600_000_000),
    ],
)
def test_a_time_is_read_in_its_unit(unit: str, time: object, micros: int) -> None:
    found = payloads(tag("a/b"), value="v", time="t", time_unit=unit)
    assert read(found, {"v": 1, "t": time}) == [(1.0, micros, GOOD)]


@pytest.mark.parametrize("time", ["noon", None, True, -1, 1e300, [], {}])
def test_a_time_that_is_none_makes_the_value_uncertain(time: object) -> None:
    found = payloads(tag("a/b"), value="v", time="t", time_unit="ms")
    assert read(found, {"v": 1, "t": time}) == [(1.0, NOW, UNCERTAIN)]


@pytest.mark.parametrize(
    ("word", "quality"),
    [(192, GOOD), ("Good", GOOD), (True, GOOD), (1, BAD), (64, UNCERTAIN), ("uncertain", UNCERTAIN),
     (False, BAD), ("BAD", BAD), (0, BAD), (0x80310000, -2144272384), (None, BAD)],
)  # fmt: skip
def test_a_quality_is_translated(word: object, quality: int) -> None:
    found = payloads(tag("a/b"), value="v", quality="q")
    assert read(found, {"v": 1, "q": word}) == [(1.0, NOW, quality)]


def test_an_array_gives_a_sample_for_each_element() -> None:
    found = payloads(tag("a/b"), value="s[*].v", time="s[*].t", time_unit="us", quality="q")
    data = {"s": [{"v": 1, "t": 10}, {"t": 20}, {"v": 3, "t": 30}], "q": "good"}
    assert read(found, data) == [(1.0, 10, GOOD), (3.0, 30, GOOD)]
    found = payloads(tag("a/b"), value="v[*]", time="t[*]", time_unit="us")
    assert read(found, {"v": [1, 2], "t": [10, 20]}) == [(1.0, 10, GOOD), (2.0, 20, GOOD)]
    (bad,) = read(found, {"v": [1, 2], "t": [10]})
    assert bad[1:] == (NOW, BAD_DATA_ENCODING_INVALID)
    found = payloads(tag("a/b"), value="v[*]", time="t", time_unit="us")
    assert read(found, {"v": [], "t": 10}) == []
    assert read(found, {"v": [5], "t": 10}) == [(5.0, 10, GOOD)]
    (bad,) = read(found, {"v": [1, 2], "t": 10})
    assert bad[2] == BAD_DATA_ENCODING_INVALID


def test_a_malformed_message_flags_each_tag_of_its_topic_and_no_other() -> None:
    found = payloads(tag("a/b#x", "x"), tag("a/b#y", "y"), tag("c#x", "z"))
    bad = found.samples(message(b"{"))
    assert [(one.tag, one.quality) for one in bad] == [
        ("x", BAD_DATA_ENCODING_INVALID),
        ("y", BAD_DATA_ENCODING_INVALID),
    ]
    assert read(found, {"x": 1}, topic="c") == [(1.0, NOW, GOOD)]


def test_a_retained_value_is_uncertain_and_given_once() -> None:
    found = payloads(tag("a/b"), value="v", time="t", time_unit="us")
    old = {"v": 1, "t": 10}
    assert read(found, old, retained=True) == [(1.0, 10, UNCERTAIN_LAST_USABLE_VALUE)]
    assert read(found, old, retained=True) == []
    assert read(found, {"v": 2, "t": 20}) == [(2.0, 20, GOOD)]
    assert read(found, {"v": 2, "t": 20}, retained=True) == []
    without_time = payloads(tag("a/b"))
    expected = [(1.0, NOW, UNCERTAIN_LAST_USABLE_VALUE)]
    assert read(without_time, 1, retained=True) == expected


def test_an_empty_message_that_removes_a_retained_one_is_no_value() -> None:
    assert read(payloads(tag("a/b")), b"") == []


def test_retained_values_can_be_taken_or_left() -> None:
    found = payloads(tag("a/b"), value="v", time="t", time_unit="us", retained="good")
    assert read(found, {"v": 1, "t": 10}, retained=True) == [(1.0, 10, GOOD)]
    again = message({"v": 1, "t": 10}, retained=True)._replace(received=NOW + 5)
    assert found.samples(again) == [Sample("press07", "force", 1.0, 15)]
    found = payloads(tag("a/b"), retained="skip")
    assert read(found, 1, retained=True) == []
    assert read(found, 1) == [(1.0, NOW, GOOD)]


def test_what_the_broker_repeats_is_recognised_by_its_time() -> None:
    found = payloads(tag("a/b"), value="v", time="t", time_unit="us")
    assert len(read(found, {"v": 1, "t": 10})) == 1
    assert read(found, {"v": 1, "t": 10}, repeated=True) == []
    assert read(found, {"v": 2, "t": 20}, repeated=True) == [(2.0, 20, GOOD)]


def test_acknowledgements_keep_the_order() -> None:
    told: list[int] = []
    expected = Acknowledgements()
    first, second = (expected.expect(told.extend, numbers) for numbers in ([1, 2], [3]))
    second()
    assert told == []
    first()
    assert told == [1, 2, 3]


def test_a_silent_tag_is_flagged_once_and_named() -> None:
    meter = Meter()
    unheard = Unheard([tag("a"), tag("b", "speed")], 1_000_000, meter)
    assert unheard.overdue(NOW) == []
    unheard.connected(NOW)
    unheard.heard([Sample("press07", "force", 1.0, NOW)])
    assert unheard.overdue(NOW + 999_999) == []
    (flag,) = unheard.overdue(NOW + 1_000_000)
    assert (flag.tag, flag.quality) == ("speed", BAD_WAITING_FOR_INITIAL_DATA)
    assert "press07/speed" in meter.last_error
    assert unheard.overdue(NOW + 9_000_000) == []
    unheard.connected(NOW)
    assert unheard.deadline is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://x"}, "mqtt://host:port"),
        ({"url": "mqtt://u:p@x"}, "keys of their own"),
        ({"url": "mqtt://x/topic"}, "mqtt://host:port"),
        ({"keep_alive": "10 ms"}, "between 1 s and 65535 s"),
        ({"tls": {"certificate": "a.pem"}}, "belong together"),
        ({"version": "4"}, "'5' or '3.1.1'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, Any], words: str) -> None:
    base = {"type": "mqtt", "url": "mqtt://x", "tags": "t.csv", "payload": "json"}
    with pytest.raises(ValueError, match=words):
        MqttSettings.model_validate(base | change)


def test_settings_know_their_port() -> None:
    base = {"type": "mqtt", "tags": "t.csv", "payload": "json", "version": 5}
    settings = [
        MqttSettings.model_validate(base | {"url": url})
        for url in ("mqtt://x", "mqtts://x", "mqtt://x:99")
    ]
    assert [one.port for one in settings] == [1883, 8883, 99]
    assert [one.secure for one in settings] == [False, True, False]
