"""The pages of what runs: errors, metrics, topics, schemas, lake, operators."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase

from generator.markdown import code, docstring, table
from penstock import components, metrics
from penstock.errors import PenstockError
from penstock.kafka import cloud_events, topics
from penstock.processor import Processor
from schemas import SCHEMAS, schema

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("connectors", "penstock", "schemas", "sinks", "streams")
DAY_MS: Final = 86_400_000


def errors() -> str:
    """All errors, by code."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    text = (
        "# Errors\n\nWhat Penstock raises on purpose names the place, the fault and the remedy. "
        "The code stands before the message on the command line; dead letters give the name. "
        "*Waiting may help*: somebody does not answer who may do so later; "
        "what runs tries again by itself.\n\n"
    )
    found = sorted(catalogue(), key=lambda error: error.code)
    rows = [
        (f"[{error.code}](#{error.code.lower()})", code(error.__name__), error.exit_code,
         "yes" if error.transient else "", _paragraphs(error)[0])
        for error in found
    ]  # fmt: skip
    text += table(["code", "name", "exit code", "waiting may help", "meaning"], rows)
    for error in found:
        meaning, advice = [*_paragraphs(error), ""][:2]
        text += f"\n## {error.code}\n\n{code(error.__name__)}: {meaning}\n\n"
        text += f"**What to do**: {advice}\n"
    return text


def catalogue() -> list[type[PenstockError]]:
    """The classes that have a code of their own, but for their base."""
    return [
        error
        for error in _below(PenstockError)[1:]
        if "code" in vars(error) and error.__module__.split(".")[0] in PACKAGES
    ]


def _paragraphs(error: type[PenstockError]) -> list[str]:
    return [" ".join(part.split()) for part in (error.__doc__ or "").split("\n\n")]


def _below(error: type[PenstockError]) -> list[type[PenstockError]]:
    return [error, *(one for below in error.__subclasses__() for one in _below(below))]


def shown_metrics() -> str:
    """Metrics of connectors, sinks and processors."""
    host = importlib.import_module("streams.host.metrics")
    text = (
        "# Metrics\n\nPrometheus metrics in base units, served by every process under `/metrics`. "
        "No label is ever a tag's name. [When something is wrong]"
        "(../how-to/when-something-is-wrong.md) says where the port is written.\n\n"
        "## Connectors and sinks\n\n"
    )
    text += _metrics(metrics) + "\n## Stream processors\n\n" + _metrics(host)
    end = next(iter(host.END_TO_END.collect()))
    text += f"\n`{end.name}` ({end.type}, label `processor`): {end.documentation}.\n"
    text += (
        "\n## Console\n\nThe newest figures of the plant, by line and machine, beside its own.\n\n"
    )
    families = importlib.import_module("penstock.console.metrics").FAMILIES
    rows = [
        (code(name), "gauge", ", ".join(labels), meaning)
        for name, (meaning, labels) in families.items()
    ]
    return text + table(["metric", "type", "labels", "meaning"], rows)


def _metrics(module: ModuleType) -> str:
    rows = []
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            suffix = "_total" if described.type == "counter" else ""
            labels = ", ".join(metric._labelnames)
            rows.append(
                (code(described.name + suffix), described.type, labels, described.documentation)
            )
    return table(["metric", "type", "labels", "meaning"], rows)


def shown_topics() -> str:
    """Topics by contract."""
    text = "# Topics\n\n" + docstring("penstock.kafka.topics") + "\n\n"
    text += (
        "Names are `<zone>.<subject>.v<major>`. Values are Avro in Confluent's wire format (a zero "
        "byte, the schema's id in four bytes, the datum), subjects `<topic>-value`, compatibility "
        "`FULL_TRANSITIVE`. Every producer partitions with `murmur2_random`.\n\n"
    )
    text += table(["topic", "record", "kept"], [_topic(topic) for topic in topics.TOPICS])
    text += "\n## CloudEvents\n\n"
    text += (
        "What Penstock writes for IT has the headers of a CloudEvent (1.0, Kafka binding, binary "
        f"mode): {', '.join(f'`{name}`' for name in sorted(cloud_events.TELLING))}. The topics of "
        "`ot` have none: on a message they add 209 bytes, and take the writer 14 µs "
        "where the message itself takes 3; their readers know what they carry.\n\n"
    )
    text += table(["header", "meaning"], [(code(n), m) for n, m in cloud_events.HEADERS.items()])
    text += "\n## Beside them\n\n"
    sensor = topics.SENSORS.name
    text += table(
        ["topic", "record", "kept"],
        [_topic(make(sensor)) for make in (topics.dead_letters, topics.retries, topics.late)],
    )
    text += (
        "\nEvery consumed topic has a `.dlq` and a `.retry` ([dead letters]"
        "(../how-to/take-dead-letters-again.md)), every processor's topic a `.late`.\n"
    )
    text += "Late records have the headers " + ", ".join(
        code(name) for name in (topics.LATE_PROCESSOR, topics.LATE_REASON, topics.LATE_ORIGIN)
    )
    text += "; the last only what is no SensorEvent, and is late as a whole.\n"
    text += "\n## Processors\n\n"
    rows = []
    for name in components.names("processors"):
        processor: Any = components.load("processors", name)
        internal = [
            code(part.fget(processor)) for part in (Processor.state_topic, Processor.control_topic)
        ]
        rows.append(
            (
                code(name),
                ", ".join(code(one.topic) for one in processor.reads),
                code(processor.writes),
                *internal,
            )
        )
    text += table(["processor", "reads", "writes", "state", "commands"], rows)
    return text + "\nState and commands are compacted, and internal.\n"


def _topic(topic: topics.Topic) -> Sequence[str]:
    kept = "compacted" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} d"
    return code(topic.name), topic.record or "raw bytes", kept


def avro_schemas() -> str:
    """Records and their fields."""
    text = (
        "# Schemas\n\nThe `.avsc` files stand in `schemas/`. Once released, one is never edited.\n"
    )
    for name in SCHEMAS:
        record = schema(name)
        text += f"\n## {name}\n\n{record['doc']}\n\n"
        text += table(["field", "type", "meaning"], _fields(record))
    return text


def _fields(record: Mapping[str, Any], prefix: str = "") -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for field in record["fields"]:
        name = f"{prefix}{field['name']}"
        rows.append((code(name), _avro(field["type"]), field.get("doc", "")))
        inner = field["type"]
        while isinstance(inner, dict) and inner.get("type") in ("array", "record"):
            if inner["type"] == "record":
                rows += _fields(inner, f"{name}.")
                break
            inner = inner["items"]
    return rows


def _avro(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_avro(one) for one in kind)
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return f"array of {_avro(kind['items'])}"
        return str(kind.get("logicalType") or kind.get("name") or kind["type"])
    return str(kind)


def lake() -> str:
    """Tables of the lake."""
    rows_module = importlib.import_module("sinks.lake_rows")
    text = "# Sinks\n\n## `parquet`\n\n" + docstring("sinks.parquet") + "\n"
    for one in rows_module.TABLES.values():
        rows = [(code(field.name), str(field.type)) for field in one.columns]
        text += f"\n### Table `{one.name}`\n\n" + table(["column", "type"], rows)
    text += "\n### Views of `penstock lake query`\n\n"
    text += docstring("penstock.lake.reading").partition("\n\n")[2] + "\n"
    text += "\n`quality` is the OPC UA status code, its 32 bits read as signed: 0 is good.\n"
    return text + "\n## `maintenance`\n\n" + docstring("sinks.maintenance") + "\n"


def orders() -> str:
    """What the operator means by what it tells of orders."""
    return "# Orders\n\n" + docstring("streams.operators.order_performance")


def alerts() -> str:
    """What the operator means by an alert."""
    return "# Alerts\n\n" + docstring("streams.operators.alerts")


def window_statistics() -> str:
    """What the operator means by its figures."""
    return "# Window statistics\n\n" + docstring("streams.operators.window_statistics")
