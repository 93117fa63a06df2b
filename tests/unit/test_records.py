import json

import numpy as np
import pytest

from penstock.codec.records import decode_record, encode_record
from penstock.errors import DecodeError
from schemas import AnomalyScore, schema, schema_text

PERFORMANCE = {
    "ID": "acme/bremen/packer01/PO-1",
    "Version": 12,
    "HierarchyScope": "acme/bremen/packer01",
    "ProductionRequestID": "PO-1",
    "ResponseState": "Completed",
    "StartTime": 1_700_000_000_000_001,
    "EndTime": 1_700_000_100_000_000,
    "MaterialActual": [{"MaterialUse": "Produced", "Quantity": 7.0, "UnitOfMeasure": "1"}],
    "Revision": 1,
    "ProductionRequest": None,
    "Flags": [],
}
STATISTICS = {
    "asset": "a",
    "source": "s",
    "window_start": -5,
    "window_size": 10_000_000,
    "watermark": -(2**62),
    "revision": 1,
    "version": {"epoch": 1, "offsets": [7], "emission": 2},
    "tags": ("t", "u"),
    **dict.fromkeys(("count", "bad", "late"), np.array([1, 2**40])),
    **dict.fromkeys(
        ("mean", "time_weighted_mean", "minimum", "maximum", "standard_deviation"),
        np.array([1.5, np.nan]),
    ),
    **dict.fromkeys(("first", "last", "coverage"), np.array([0.5, 1.0])),
}


def test_times_are_whole_microseconds_both_ways() -> None:
    body = encode_record("ProductionPerformance", PERFORMANCE)
    text = schema_text("ProductionPerformance")
    assert decode_record(body, text, "ProductionPerformance") == PERFORMANCE


def test_numpy_columns_and_times_beyond_any_calendar_are_carried() -> None:
    body = encode_record("WindowStatistics", STATISTICS)
    datum = decode_record(body, schema_text("WindowStatistics"), "WindowStatistics")
    assert datum["watermark"] == -(2**62)
    assert datum["count"] == [1, 2**40]
    assert np.isnan(datum["mean"][1])
    assert datum["version"] == STATISTICS["version"]


def test_absent_fields_of_a_descriptor_are_null() -> None:
    text = schema_text("TagDescriptor")
    given = {"asset": "a", "tag": "t", "source": "s", "address": "1/40001", "role": "signal"}
    datum = decode_record(encode_record("TagDescriptor", given), text, "TagDescriptor")
    assert given.items() <= datum.items()
    assert datum["unit"] is None and datum["max"] is None


def test_an_older_schema_is_filled_with_defaults() -> None:
    older = schema("TagDescriptor")
    older["fields"] = [field for field in older["fields"] if field["name"] != "description"]
    given = {"asset": "a", "tag": "t", "source": "s", "address": "x", "role": "state"}
    body = encode_record("TagDescriptor", given)[:-1]  # the last null is one byte
    datum = decode_record(body, json.dumps(older), "TagDescriptor")
    assert datum["description"] is None and datum["role"] == "state"


def test_broken_bodies_are_refused() -> None:
    body = encode_record("ProductionPerformance", PERFORMANCE)
    text = schema_text("ProductionPerformance")
    with pytest.raises(DecodeError, match="1 bytes follow the record"):
        decode_record(body + b"\0", text, "ProductionPerformance")
    for size in range(len(body)):
        with pytest.raises(DecodeError):
            decode_record(body[:size], text, "ProductionPerformance")


def test_what_does_not_fit_its_schema_is_not_written() -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_record("ProductionPerformance", PERFORMANCE | {"Version": "twelve"})
    with pytest.raises(KeyError):
        encode_record("Nothing", {})


def test_a_score_that_is_not_known_is_carried() -> None:
    none = float("nan")
    score = {
        **{name: "a" for name in ("asset", "source", "detector", "parameters")},
        **{"time": 5, "watermark": 7, "revision": 1, "version": STATISTICS["version"]},
        **{"state": "warming_up", "learning": "learned", "alarm": False, "threshold": 0.01},
        **{"score": none, "p_value": none, "statistics": ["t2"], "values": [0.5]},
        **{"tags": ["t"], "contributions": [1.0], "missing": ["u"]},
    }
    body = encode_record("AnomalyScore", score)
    datum = decode_record(body, schema_text("AnomalyScore"), "AnomalyScore")
    assert datum["alarm_since"] is None and np.isnan(datum["p_value"])
    assert datum.keys() == set(AnomalyScore.__slots__)
    assert {**datum, "score": 0, "p_value": 0} == {
        **score,
        "score": 0,
        "p_value": 0,
        "alarm_since": None,
    }


def test_an_alert_keeps_its_evidence_and_what_has_not_happened_yet_is_null() -> None:
    evidence = {
        "words": ["main_drive_temperature explains 61 %"],
        "tags": ["main_drive_temperature"],
        "shares": [0.61],
        "times": [1_700_000_000_000_000, 1_700_000_005_000_000],
        "values": [0.4, 1e-6],
        "signals": [71.5, 88.25],
    }
    alert = {
        "id": "a1b2c3d4e5f6",
        "asset": "acme/bremen/stamping/line1/press01",
        "cause": "anomaly/pca",
        "severity": "high",
        "state": "raised",
        "message": "press01 is not as it normally is",
        "onset": 1_700_000_000_000_000,
        "raised": 1_700_000_005_000_000,
        "value": 1e-6,
        "limit": 1e-3,
        "evidence": evidence,
        "watermark": 1_700_000_005_000_000,
        "revision": 1,
        "version": STATISTICS["version"],
    }
    body = encode_record("Alert", alert)
    datum = decode_record(body, schema_text("Alert"), "Alert")
    assert alert.items() <= datum.items()
    later = ("acknowledged", "acknowledged_by", "note", "cleared", "shelved_until")
    assert [datum[name] for name in later] == [None] * 5
