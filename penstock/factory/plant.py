"""The plant's configuration of a simulated factory: `plant.yaml` and one tag list per source."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from penstock.factory import nodes
from penstock.factory.equipment import KINDS
from penstock.factory.layout import GROUP, LINES, NODE, SITE, USER, Line, Place
from penstock.factory.machine import FIELDS
from penstock.factory.model import Factory
from penstock.factory.registers import MAX_REGISTERS, Registers
from penstock.factory.schedule import PRODUCTS, pieces_per_minute
from penstock.settings.tags import Role

_COLUMNS: Final = (
    "asset,tag,address,type,order,scale,unit,low,high,max,poll,role,description".split(",")
)
_COUNTERS: Final = (Role.GOOD, Role.SCRAP, Role.TOTAL)
_POLL: Final = "50 ms"
"""Twice per cycle: no cycle is missed, and none is seen late."""
_STATES: Final = {
    "packml": {
        "state": "StateCurrent",
        "mode": "UnitModeCurrent",
        "producing": [6],
        "setup_modes": [4],
        "delay": [5, 11],
        "failure": [9],
        "no_order": [4, 17],
    }
}


_CALENDARS: Final = {
    "3shift": {
        "shifts": {"early": "06:00-14:00", "late": "14:00-22:00", "night": "22:00-06:00"},
        "days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    }
}
"""By the clock, though the process runs faster: so a shift's figures go on for its eight hours."""


def write_plant(
    factory: Factory,
    *,
    windows: Mapping[str, str],
    bootstrap: str,
    registry: str,
    partitions: int,
    roll: str,
    lake: Path,
    alerts: bool,
) -> None:
    """Write `plant.yaml` and the tag lists into the factory's folder.

    Args:
        factory: The factory.
        windows: How long windows of each size may be revised, as `{"5 s": "1 min"}`.
        bootstrap: Where Kafka is.
        registry: Address of the schema registry's API.
        partitions: Of the topics in Kafka.
        roll: Time between two commits of the lake.
        lake: Folder of the lake, from the factory's folder.
        alerts: Whether anomalies are scored, alerted of, and have maintenance asked for.
    """
    places = [place for line in LINES for place in line.places]
    content = {
        "version": 1,
        "environment": "demo",
        "site": {"path": SITE, "timezone": "Europe/Berlin", "day_starts": "06:00"},
        "products": "products.csv",
        "assets": {place.asset: {"states": "packml", "calendar": "3shift"} for place in places},
        "lines": {
            line.path: {"flow": "serial", "constraint": line.constraint, "output": line.output}
            for line in LINES
        },
        "sources": {line.plc: _source(factory, line) for line in LINES},
        "states": _STATES,
        "calendars": _CALENDARS,
        "kpis": {
            "every": "5 s",
            "sliding": "15 s",
            "minor_stop_below": _shortened(120.0, factory),
            "same_failure_within": _shortened(60.0, factory),
        },
        "windows": {
            "out_of_order": "1 s",
            "sizes": {size: {"reopen_for": reopen} for size, reopen in windows.items()},
        },
        "sinks": {
            "lake": {"type": "parquet", "path": str(lake), "roll": roll},
            **({"maintenance": {"type": "maintenance"}} if alerts else {}),
        },
        "processors": {
            **(_alerting(factory) if alerts else dict.fromkeys(_ALERTING, _OFF)),
            **dict.fromkeys(_LEFT_OUT, _OFF),
        },
        "kafka": {
            "bootstrap": bootstrap,
            "partitions": partitions,
            "options": {"fetch.wait.max.ms": "100"},  # less work for fewer cores
        },
        "registry": {"url": registry},
    }
    with factory.plant.open("w", encoding="utf-8") as file:
        file.write(
            "# The plant's configuration of a simulated factory; `penstock simulate` made it.\n"
        )
        YAML().dump(content, file)
    _write_products(factory, places)
    for line in LINES:
        _write_tags(factory.folder / _tag_list(line), line)


_OFF: Final = {"enabled": False}
_LEFT_OUT: Final = ("line-partials", "line-statistics")
"""Processors that tell nothing new here: lines have their KPIs."""
_ALERTING: Final = ("alerts", "anomaly-scores")


def _alerting(factory: Factory) -> dict[str, Any]:
    """Settings by which a machine that wears out is noticed some time before it fails.

    Vibration tells of wear, and torque by how much a heavier product shakes a machine more; most of
    the rest that is measured tells of the product alone. Times are those of the process: a machine
    produces for half an hour from new to failure, so a warm-up takes 12 minutes of production.
    """
    return {
        "anomaly-scores": {
            "watch": ["*vibration*", "*_torque"],
            "grid": _shortened(12.0, factory),
            "settle": "0 s",
            "monitor": {"warm_up": 60, "only_high": ["*vibration*"]},
        },
        "alerts": {
            "on_delay": _shortened(60.0, factory),
            "off_delay": _shortened(600.0, factory),
        },
    }


def _shortened(seconds: float, factory: Factory) -> str:
    """A time of the process as the clock has it."""
    return f"{round(seconds * 1e6 / factory.speed)} us"


def _write_products(factory: Factory, places: Sequence[Place]) -> None:
    """What a piece of each product is planned to take, by the clock."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["product", "asset", "seconds_per_unit"])
    for place in places:
        for product in range(PRODUCTS):
            per_minute = pieces_per_minute(KINDS[place.kind].profile, product)
            writer.writerow([product, place.asset, 60.0 / per_minute / factory.speed])
    (factory.folder / "products.csv").write_text(text.getvalue(), encoding="utf-8")


def _tag_list(line: Line) -> str:
    return f"tags/{line.plc}.csv"


def _source(factory: Factory, line: Line) -> dict[str, Any]:
    if line.protocol == "opcua":
        return {
            "type": "opcua",
            "url": factory.url(line),
            "security": {
                "policy": "Basic256Sha256",
                "mode": "SignAndEncrypt",
                "certificate": "certs/client.der",
                "key": "certs/client.pem",
                "trust": "certs/trusted",
                "user": USER,
                "password": "${file:secrets/press}",
            },
            "subscription": {"publish": "100 ms", "sampling": "100 ms", "queue": 50},
            "tags": _tag_list(line),
        }
    if line.protocol == "mqtt":
        return {
            "type": "mqtt",
            "url": factory.url(line),
            "payload": "sparkplug-b",
            "group": GROUP,
            "tags": _tag_list(line),
        }
    return {
        "type": "modbus",
        "host": "127.0.0.1",
        "port": factory.port(line),
        "addressing": "modicon",
        "limits": {"connections": 1, "registers_per_read": MAX_REGISTERS, "timeout": "1 s"},
        "clock": {"address": "40001", "type": "uint64", "resolution": "1 us"},
        "tags": _tag_list(line),
    }


def _write_tags(path: Path, line: Line) -> None:
    rows: list[dict[str, Any]] = []
    for unit, place in enumerate(line.places, 1):
        if line.protocol == "opcua":
            rows += _opcua_rows(place)
        elif line.protocol == "mqtt":
            rows += _sparkplug_rows(place)
        else:
            rows += _modbus_rows(place, unit)
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")


def _rows(place: Place) -> list[dict[str, Any]]:
    """What the list of any protocol says of a machine's tags."""
    fields: list[dict[str, Any]] = [
        {
            "tag": field.name,
            "role": str(field.role),
            "description": field.description,
            "max": place.counter_max if field.role in _COUNTERS else "",
        }
        for field in FIELDS
    ]
    signals: list[dict[str, Any]] = [
        {
            "tag": signal.name,
            "role": "signal",
            "description": signal.description,
            "unit": signal.unit,
            "low": signal.low,
            "high": signal.high,
        }
        for signal in KINDS[place.kind].signals
    ]
    return [{"asset": place.asset} | row for row in (*fields, *signals)]


def _opcua_rows(place: Place) -> list[dict[str, Any]]:
    return [row | {"address": nodes.address(place, row["tag"])} for row in _rows(place)]


def _sparkplug_rows(place: Place) -> list[dict[str, Any]]:
    return [row | {"address": f"{NODE}/{place.name}/{row['tag']}"} for row in _rows(place)]


def _modbus_rows(place: Place, unit: int) -> list[dict[str, Any]]:
    slots = Registers(KINDS[place.kind].signals).slots
    return [
        row
        | {
            "address": f"{unit}/{slot.modicon}",
            "type": slot.type,
            "order": slot.order,
            "scale": slot.scale,
            "poll": _POLL,
        }
        for row, slot in zip(_rows(place), slots, strict=True)
    ]
