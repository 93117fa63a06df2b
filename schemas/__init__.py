"""The records that Penstock's topics carry: Avro schemas, and what Python sees of them.

This package imports nothing of Penstock; everybody imports it.
"""

from schemas.alerts import Acknowledgement, Alert, AlertState, Evidence
from schemas.anomalies import AnomalyScore
from schemas.catalogue import SCHEMAS, schema, schema_text
from schemas.lines import LinePartial, LineStatistics
from schemas.orders import OrderWindow, ProductionOrder, ProductionPerformance
from schemas.production import (
    FailureTime,
    KpiInput,
    KpiWindow,
    LateChange,
    ProductionPartial,
    ProductionPieces,
    ProductionTime,
    TimeShare,
)
from schemas.records import Kind, SensorEvent, Version, WindowStatistics
from schemas.windowed import Windowed

__all__ = [
    "SCHEMAS",
    "Acknowledgement",
    "Alert",
    "AlertState",
    "AnomalyScore",
    "Evidence",
    "FailureTime",
    "Kind",
    "KpiInput",
    "KpiWindow",
    "LateChange",
    "LinePartial",
    "LineStatistics",
    "OrderWindow",
    "ProductionOrder",
    "ProductionPartial",
    "ProductionPerformance",
    "ProductionPieces",
    "ProductionTime",
    "SensorEvent",
    "TimeShare",
    "Version",
    "WindowStatistics",
    "Windowed",
    "schema",
    "schema_text",
]
