"""Sparkplug without a broker: the generated code, values of every datatype, throttling, gaps."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.last_values import LastValues
from connectors.mqtt.metrics import to_time, to_value
from connectors.mqtt.rebirths import LONGEST, SPACING, Rebirths
from connectors.mqtt.settings import MqttSettings
from connectors.mqtt.sparkplug_address import parse_address
from penstock.connector import Sample
from penstock.errors import ConfigurationError
from penstock.quality import BAD_NO_COMMUNICATION, BAD_NO_DATA, BAD_NOT_SUPPORTED, GOOD, UNCERTAIN
from penstock.settings.tags import Tag
from penstock.sparkplug import DataType, Metric, Payload, parse_topic

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000
PLAIN = Tag(asset="a", tag="t", address="E/D/m")


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """`make proto` renews it."""
    source = "penstock/sparkplug/sparkplug_b.proto"
    made = ["protoc", f"-I{ROOT}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", source]
    assert protoc.main(made) == 0
    for name in ("sparkplug_b_pb2.py", "sparkplug_b_pb2.pyi"):
        fresh = (tmp_path / "penstock" / "sparkplug" / name).read_text()
        assert (ROOT / "penstock" / "sparkplug" / name).read_text() == fresh


@pytest.mark.parametrize(
    ("datatype", "fields", "expected"),
    [
        (DataType.INT8, {"int_value": 0xFF}, (-1.0, GOOD)),
        (DataType.INT8, {"int_value": 0xFFFFFFFF}, (-1.0, GOOD)),
        (DataType.INT16, {"int_value": 0x8000}, (-32768.0, GOOD)),
        (DataType.INT32, {"int_value": 0x7FFFFFFF}, (2147483647.0, GOOD)),
        (DataType.INT64, {"long_value": (1 << 64) - 2}, (-2.0, GOOD)),
        (DataType.UINT32, {"int_value": 0xFFFFFFFF}, (4294967295.0, GOOD)),
        (DataType.UINT64, {"long_value": (1 << 64) - 1}, (2.0**64, UNCERTAIN)),
        (DataType.FLOAT, {"float_value": 0.5}, (0.5, GOOD)),
        (DataType.DOUBLE, {"double_value": 0.1}, (0.1, GOOD)),
        (DataType.DOUBLE, {"int_value": 3}, (3.0, GOOD)),
        (DataType.BOOLEAN, {"boolean_value": True}, (True, GOOD)),
        (DataType.BOOLEAN, {"int_value": 1}, (True, GOOD)),
        (DataType.STRING, {"string_value": "L-1"}, ("L-1", GOOD)),
        (DataType.UUID, {"string_value": "u"}, ("u", GOOD)),
        (DataType.DATETIME, {"long_value": 5}, (5000.0, GOOD)),
        (DataType.DOUBLE, {"is_null": True}, (math.nan, BAD_NO_DATA)),
        (DataType.DOUBLE, {}, (math.nan, BAD_NO_DATA)),
        (DataType.BYTES, {"bytes_value": b"x"}, (math.nan, BAD_NOT_SUPPORTED)),
        (DataType.DOUBLE, {"bytes_value": b"x"}, (math.nan, BAD_NOT_SUPPORTED)),
        (22, {"bytes_value": b"x"}, (math.nan, BAD_NOT_SUPPORTED)),
        (DataType.UNKNOWN, {"int_value": 1}, (math.nan, BAD_NOT_SUPPORTED)),
    ],
)
def test_values_of_every_datatype(
    datatype: int, fields: dict[str, Any], expected: tuple[Any, int]
) -> None:
    value, quality = to_value(Metric(**fields), datatype, PLAIN)
    assert (value, quality) == (pytest.approx(expected[0], nan_ok=True), expected[1])
    assert type(value) is type(expected[0])


def test_the_metrics_time_counts_then_the_payloads() -> None:
    assert to_time(Metric(timestamp=5), 7, 9) == (5_000, True)
    assert to_time(Metric(), 7, 9) == (7_000, True)
    assert to_time(Metric(), 0, 9) == (9, False)
    assert to_time(Metric(timestamp=1 << 63), 7, 9) == (9, False)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    """What is no payload is refused in the one way that is expected."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        Payload.FromString(data)
    except DecodeError:
        pass


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/G/NDATA/E/D", "spBv1.0/G/DDATA/E", "spBv1.0/G/DDATA//D", "spAv1.0/G/NDATA/E", "x"],
)
def test_what_is_no_sparkplug_topic_is_passed_over(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("address", ["Edge1", "Edge1/Weight", "/Dev/x", "Edge1/Dev/", "E+/D/x"])
def test_an_address_that_is_none_names_its_line(address: str) -> None:
    tag = Tag(asset="a", tag="t", address=address, where="tags.csv:2")
    with pytest.raises(ConfigurationError) as error:
        parse_address(tag)
    assert (error.value.where, bool(error.value.remedy)) == ("tags.csv:2", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"payload": "sparkplug-b"}, "needs the group"),
        ({"payload": "json", "group": "G"}, "json has none"),
        ({"payload": "sparkplug-b", "group": "a/b"}, "one level"),
        ({"payload": "sparkplug-b", "group": "G", "sparkplug": {"host_id": "#"}}, "one level"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MqttSettings.model_validate({"type": "mqtt", "url": "mqtt://x", "tags": "t.csv"} | change)


def test_requests_are_spaced_and_slow_down() -> None:
    rebirths = Rebirths(SECOND)
    assert rebirths.due is None
    rebirths.want("a", 0)
    rebirths.want("b", 0)
    assert rebirths.take(0) == "a"
    assert rebirths.take(0) is None
    assert rebirths.take(SPACING) == "b"
    rebirths.settled("b")
    times = []
    now = SPACING
    while len(times) < 12:
        rebirths.want("a", now)
        assert rebirths.due is not None
        now = rebirths.due
        assert rebirths.take(now) == "a"
        times.append(now)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:3] == [2 * SECOND, 4 * SECOND, 8 * SECOND]
    assert max(pauses) == LONGEST
    rebirths.settled("a")
    rebirths.want("a", now)
    assert rebirths.due == now + SECOND


def test_a_sooner_wish_counts() -> None:
    rebirths = Rebirths(SECOND)
    rebirths.want("a", 60 * SECOND)
    rebirths.want("a", 5)
    assert rebirths.due == 5


def sample(time: int, value: float = 1.0, quality: int = GOOD) -> Sample:
    return Sample("a", "t", value, time, None, quality)


def test_a_birth_repeats_only_what_is_news() -> None:
    last = LastValues()
    assert last.born([sample(10)], now=100) == [sample(10)]
    assert last.born([sample(10)], now=110) == []
    assert last.born([sample(10, 2.0)], now=120) == [sample(30, 2.0)]
    assert last.flagged(130, BAD_NO_COMMUNICATION) == [sample(40, 2.0, BAD_NO_COMMUNICATION)]
    assert last.flagged(140, BAD_NO_COMMUNICATION) == []
    assert last.born([sample(10, 2.0)], now=150) == [sample(60, 2.0)]


def test_an_old_value_does_not_become_the_last() -> None:
    last = LastValues()
    last.heard([sample(50)], now=100)
    last.heard([sample(20, 7.0)], now=110)
    assert last.flagged(120, BAD_NO_COMMUNICATION, at=80) == [sample(80, 1.0, BAD_NO_COMMUNICATION)]
