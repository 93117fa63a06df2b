"""The Avro schemas that are shipped, by record name."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

SCHEMAS: Final = {
    "SensorEvent": "sensor_event.avsc",
    "Sample": "sample.avsc",
    "TagDescriptor": "tag_descriptor.avsc",
    "WindowStatistics": "window_statistics.avsc",
    "AnomalyScore": "anomaly_score.avsc",
    "LinePartial": "line_partial.avsc",
    "LineStatistics": "line_statistics.avsc",
    "ProductionPartial": "production_partial.avsc",
    "KpiWindow": "kpi_window.avsc",
    "ProductionOrder": "production_order.avsc",
    "ProductionPerformance": "production_performance.avsc",
    "Alert": "alert.avsc",
    "Acknowledgement": "acknowledgement.avsc",
    "MaintenanceRequest": "maintenance_request.avsc",
}
"""File of each record, beside this module. Once released, a file is never edited."""


@cache
def schema_text(name: str) -> str:
    """The schema of a record as it is registered: JSON without needless space.

    Raises:
        KeyError: There is no such record.
    """
    text = files("schemas").joinpath(SCHEMAS[name]).read_text("utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"))


def schema(name: str) -> dict[str, Any]:
    """The schema of a record as a dictionary.

    >>> schema("SensorEvent")["fields"][0]["name"]
    'asset'
    """
    loaded: dict[str, Any] = json.loads(schema_text(name))
    return loaded
