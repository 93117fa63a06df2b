"""ERP's orders and what is made of them on a real Kafka: one process, killed, fed nonsense."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.kafka import topics
from penstock.local.stack import LocalStack
from penstock.settings.plant import RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from processor_rig import ProcessorRig

PRESS = "acme/bremen/line1/press"
ORDERS = [f"4711-{number}" for number in range(12)]


class Erp(ProcessorRig):
    """One side writes orders and figures of them by hand, the other reads what comes of them."""

    def order(self, name: str, **changes: Any) -> None:
        requirement = {
            "MaterialDefinitionID": "lid", "MaterialUse": "Produced", "Quantity": 100.0,
            "UnitOfMeasure": "EA",
        }  # fmt: skip
        datum = {
            "ID": name, "Version": 1, "HierarchyScope": "acme/bremen/line1", "StartTime": 1,
            "EndTime": 2, "RequestState": "Released", "MaterialRequirement": [requirement],
        } | changes  # fmt: skip
        self.send(topics.ORDERS.name, name, self.record(topics.ORDERS.name, datum))

    def made(self, order: str, version: int, good: float, *, final: bool, **changes: Any) -> None:
        numbers = ("scrap", "planned_run_time", "good_run_time", "coverage")
        datum = {
            "id": f"{PRESS}/order/{order}", "scope": "asset", "line": "acme/bremen/line1",
            "asset": PRESS, "kind": "order", "name": order, "production_day": None,
            "window_start": 10, "window_end": 20 + version, "until": 20, "final": final,
            "incomplete": False, "missing": [], "watermark": 30, "revision": version,
            "standard": "iso22400", "no_order_counts": "down", "work_units": 1, "balance": [],
            "produced": good, "good": good, "kpis": {}, "conventions": {}, "flags": [],
            "inputs": [], "version": {"epoch": 1, "offsets": [version], "emission": 1},
        } | dict.fromkeys(numbers, 0.0) | changes  # fmt: skip
        self.send(topics.KPIS.name, order, self.record(topics.KPIS.name, datum))

    def told(self) -> dict[str, dict[str, Any]]:
        """By order what it was told last."""
        name = "ProductionRequestID"
        return self.latest(topics.PERFORMANCE, lambda one: one[name], "Version")

    def completed(self) -> set[str]:
        return {o for o, one in self.told().items() if one["ResponseState"] == "Completed"}


@pytest.fixture
def erp(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Erp]:
    tags = [("order", "order"), ("made", "good")]
    rows = [f"line1/press,{tag},1/4000{n},uint32,{role}" for n, (tag, role) in enumerate(tags, 1)]
    (tmp_path / "tags.csv").write_text("\n".join(["asset,tag,address,type,role", *rows]) + "\n")
    (tmp_path / "products.csv").write_text("product,asset,seconds_per_unit\n,line1/press,1.5\n")
    settings = {
        "environment": unique,
        "site": {"path": "acme/bremen"},
        "products": "products.csv",
        "assets": {"line1/press": {}},
        "sources": {"plc": {"type": "modbus", "host": "127.0.0.1", "tags": "tags.csv"}},
        "windows": {"sizes": {"10 s": {"reopen_for": "1 h"}}},
    }
    reads = {topics.KPIS.name: "KpiWindow", topics.ORDERS.name: "ProductionOrder"}
    erp = Erp(tmp_path, settings, own_stack, registry, reads)
    yield erp
    erp.stop()


def test_each_order_is_told_beside_its_plan_through_a_kill_and_nonsense(erp: Erp) -> None:
    worker = erp.start("order-performance")
    for place, order in enumerate(ORDERS):
        if place % 3:  # of the others the plan comes later
            erp.order(order)
        erp.made(order, 1, 5.0, final=False)
    erp.send(topics.ORDERS.name, ORDERS[0], b"nonsense")
    erp.order(ORDERS[1], EndTime=0)
    erp.made("", 1, 3.0, final=False, kind="shift", name="early")
    erp.producer.flush()
    erp.until(lambda: erp.told().keys() == set(ORDERS))
    started = erp.told()
    assert {one["ResponseState"] for one in started.values()} == {"Started"}
    for order in ORDERS[:6]:
        erp.made(order, 2, 98.0, final=True)
    erp.producer.flush()
    erp.until(lambda: len(erp.completed()) >= 3)

    worker.kill()
    for place, order in enumerate(ORDERS):
        erp.made(order, 3, 99.0, final=True)
        erp.order(order, Version=2)
        if not place % 3:
            erp.order(order)  # an older version
    erp.producer.flush()
    erp.start("order-performance")
    erp.until(
        lambda: all(
            (one["ProductionRequest"] or {}).get("Version") == 2 and one["EndTime"] == 23
            for one in erp.told().values()
        )
    )
    erp.stop()
    for order, one in erp.told().items():
        assert one["ResponseState"] == "Completed" and one["ID"] == f"{PRESS}/{order}"
        assert one["MaterialActual"][0]["Quantity"] == 99.0
        assert one["ProductionRequest"]["Quantity"] == 100.0
        assert math.isclose(one["ProductionRequest"]["PlannedRunTime"], 150.0)
        assert one["Flags"] == [] and one["Version"] > started[order]["Version"]
    dead = [dict(m.headers() or ()) for m in erp.read(f"{topics.ORDERS.name}.dlq")]
    reasons = b" ".join(one["__connect.errors.exception.message"] or b"" for one in dead)
    assert len(dead) == 2 and b"ends before it starts" in reasons
