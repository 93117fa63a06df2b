"""What a run left is held against the truth: an empty lake, and the ERP system's messages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.demo.check import check
from penstock.demo.check_kpis import check_kpis
from penstock.demo.check_orders import check_orders
from penstock.demo.check_windows import check_windows
from penstock.demo.report import Report
from penstock.factory import write_factory
from penstock.factory.truth_reader import OrderRecord, Series, Truth
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant
from penstock.units import microseconds

SECOND = 1_000_000
SINCE = 1_795_000_000 * SECOND


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    return load_plant(write_factory(tmp_path_factory.mktemp("factory")).plant)


@pytest.fixture
def asset(plant: Plant) -> str:
    """A machine of the factory whose tag list has an order and its counters."""
    return plant.asset_path(next(t.asset for t in plant.tags["press_plc"] if t.role == "order"))


def series(*samples: tuple[float, Any]) -> Series:
    times = [SINCE + int(second * SECOND) for second, _ in samples]
    return Series(np.array(times, np.int64), np.array([value for _, value in samples]))


def truth(asset: str, **more: Any) -> Truth:
    """A was on as the run began; B was made in [10, 20) and C begun at 21, where the run ends."""
    shown = {
        (asset, "OrderID"): series((0, "A"), (10, "B"), (21, "C")),
        (asset, "GoodCount"): series((0, 100), (9, 110), (12, 150), (20, 310), (31, 320)),
        (asset, "ScrapCount"): series((0, 0), (9, 1), (15, 4)),
    }
    begin, end = SINCE + 10 * SECOND, SINCE + 20 * SECOND
    orders = [OrderRecord(asset, "B", 1, 203, begin, end, 200, 3)]
    parts = {"series": shown, "activities": [], "orders": orders, "uncertain": frozenset()}
    return Truth(**{**parts, "counts": {}, "missed": {}, **more})


def message(asset: str, order: str, good: float = 200, **more: Any) -> Mapping[str, Any]:
    made = [{"MaterialUse": "Produced", "Quantity": float(good), "UnitOfMeasure": "EA"},
            {"MaterialUse": "Scrap", "Quantity": 3.0, "UnitOfMeasure": "EA"}]  # fmt: skip
    told = {"ID": f"{asset}/{order}", "Version": 2, "HierarchyScope": asset,
            "ProductionRequestID": order, "ResponseState": "Completed",
            "ProductionRequest": {"MaterialDefinitionID": "1", "Quantity": 203.0}}  # fmt: skip
    return {**told, "MaterialActual": made, **more}


def test_an_order_reported_as_it_was_made_is_right(plant: Plant, asset: str) -> None:
    started = message(asset, "B", 0, Version=1, ResponseState="Started")
    found = check_orders(truth(asset), [message(asset, "B"), started], plant, SINCE)
    assert (found.orders, found.wrong, found.examples) == (1, 0, [])


@pytest.mark.parametrize(
    ("told", "example"),
    [
        ({}, "never reported"),
        ({"ResponseState": "Started"}, "never reported"),
        ({"good": 199}, "made {'Produced': 200"),
        ({"HierarchyScope": "e/s/elsewhere"}, "never reported"),
        ({"order": "X"}, "never showed"),
        ({"ProductionRequest": None}, "ERP wanted 203 of 1, not (None, None)"),
    ],
)
def test_what_is_missing_or_differs_is_counted(
    plant: Plant, asset: str, told: dict[str, Any], example: str
) -> None:
    messages = [message(asset, **{"order": "B", **told})] if told else []
    found = check_orders(truth(asset), messages, plant, SINCE)
    assert found.wrong
    assert any(example in one for one in found.examples), found.examples


def test_the_greatest_version_counts(plant: Plant, asset: str) -> None:
    messages = [message(asset, "B", Version=9), message(asset, "B", 1, Version=8)]
    assert check_orders(truth(asset), messages, plant, SINCE).wrong == 0


@pytest.mark.parametrize(
    "hidden",
    [
        {"OrderID": series((10, "B"), (21, "C"))},  # its beginning was not seen to be one
        {"OrderID": series((0, "A"), (10, "B"))},  # its end was not shown
        {"GoodCount": series((0, 100), (12, 150), (20, 310), (31, 320))},  # of A or of B?
        {"GoodCount": series((0, 100), (9, 110), (12, 150), (20, 310), (25, 310))},  # too early
    ],
)
def test_what_the_machine_did_not_show_is_not_missed(
    plant: Plant, asset: str, hidden: dict[str, Series]
) -> None:
    shown = truth(asset)
    replaced = {**shown.series, **{(asset, tag): told for tag, told in hidden.items()}}
    found = check_orders(truth(asset, series=replaced), [], plant, SINCE)
    assert (found.orders, found.wrong) == (0, 0)


def test_an_order_begun_before_the_run_is_not_missed(plant: Plant, asset: str) -> None:
    assert check_orders(truth(asset), [], plant, SINCE + 11 * SECOND).orders == 0


def test_of_an_order_that_nobody_saw_whole_no_more_is_told_than_was_made(
    plant: Plant, asset: str
) -> None:
    since = SINCE + 11 * SECOND
    found = check_orders(truth(asset), [message(asset, "B", 150)], plant, since)
    assert (found.orders, found.bounded, found.wrong) == (0, 1, 0)
    found = check_orders(truth(asset), [message(asset, "B", 203)], plant, since)
    assert found.wrong == 1 and "but only 200 and 3 made" in found.examples[0]


def figures(**more: Any) -> Mapping[str, Any]:
    told = {"id": "w", "kind": "sliding", "name": "1 min", "scope": "asset", "final": True}
    version = {"epoch": 1, "offsets": [1], "emission": 0}
    times = {"window_start": SINCE, "until": SINCE + 60 * SECOND, "work_units": 1}
    known = {"unknown": 50 * SECOND, "producing": 10 * SECOND}
    balance = [{"element": what, "planning": "planned", "duration": time}
               for what, time in known.items()]  # fmt: skip
    made = {"produced": 90.0, "scrap": 1.0, "good_run_time": 10.0, "kpis": {}}
    return {**told, **times, **made, "balance": balance, "version": version, **more}


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({}, ""),
        ({"good_run_time": 60.0}, "good pieces for 60 s in 10 s that are known"),
    ],
)
def test_of_a_window_that_nobody_saw_whole_no_more_is_told_than_can_be_made(
    plant: Plant, asset: str, more: Mapping[str, Any], wrong: str
) -> None:
    found = check_kpis(truth(asset), [figures(**more)], plant, SINCE, SINCE)
    assert (found.windows, found.bounded) == (0, 1)
    assert [wrong in one for one in found.examples] == [True] * bool(wrong)


def test_windows_that_a_silent_sources_watermark_has_not_closed_are_not_compared(
    plant: Plant,
) -> None:
    size = microseconds(min(plant.windows.sizes))
    start = SINCE // size * size
    said = [{"asset": "a", "source": "plc", "tag": "t", "time": start + n * size // 5, "value": 1.0,
             "text": None, "quality": 0, "ingest_time": start + n * size // 5, "kafka_offset": n}
            for n in range(12)]  # fmt: skip
    row = {"asset": "a", "source": "plc", "tag": "t", "window_seconds": size / SECOND,
           "version_epoch": 1, "version_offsets": [1], "version_emission": 1}  # fmt: skip
    late, early = ({**row, "window_start": start + n * size} for n in (4, -1))
    table, span = pa.Table.from_pylist(said), (start - size, start + 100 * size)
    missing = check_windows(table, pa.Table.from_pylist([late]), plant.windows, span)
    assert missing.windows == 0 and all("never published" in one for one in missing.examples)
    strange = check_windows(table, pa.Table.from_pylist([early]), plant.windows, span)
    assert any("there is no such window" in one for one in strange.examples)


def test_a_lake_without_tables_has_no_rows(plant: Plant, tmp_path: Path) -> None:
    found = check(tmp_path, tmp_path / "lake", plant, SINCE)
    assert (found.samples.sent, found.samples.in_lake, found.samples.lost) == (0, 0, 0)
    assert (found.windows, found.lake_rows, found.lake_files) == (0, 0, 0)


def test_a_report_with_wrong_orders_is_not_ok() -> None:
    figures: dict[str, Any] = dict.fromkeys(Report.__slots__, 0) | {"windows": 1}
    assert Report(**figures).ok
    assert not Report(**figures | {"erp_wrong": 1}).ok
