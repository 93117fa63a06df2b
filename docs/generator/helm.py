"""The page of the Helm chart's values, and the chart's list of topics."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from generator.markdown import code, table
from penstock import components
from penstock.kafka.admin import topic_config
from penstock.kafka.topics import TOPICS, Topic
from penstock.processor import Processor
from penstock.runtime.topics import topics_of_processor, topics_of_sink
from penstock.settings.plant import Plant, Site, Windows

CHART: Final = Path(__file__).parents[2] / "helm" / "penstock"
TOPICS_FILE: Final = CHART / "files" / "topics.yaml"
_NOTE: Final = "# Made by `make docs` from penstock/kafka/topics.py and the components.\n"


def values() -> str:
    """All values, with their defaults and what they mean."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    defaults = YAML(typ="safe").load((CHART / "values.yaml").read_text("utf-8"))
    text = (
        "# Values of the Helm chart\n\n[How to run it on Kubernetes](../how-to/kubernetes.md). "
        "A value of the wrong type or a name that is not here is refused. `NAME` stands for a name "
        "of yours, `[]` for each entry of a list.\n\n"
    )
    rows = [
        (code(path), _kind(node), code(_default(found)), node.get("description", ""))
        for path, node, found in _walk("", schema, defaults)
    ]
    return text + table(["value", "type", "default", "meaning"], rows)


def _walk(path: str, node: Any, default: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, below in node.get("properties", {}).items():
        if "$ref" in below:
            below = {"type": "object", "description": "Requests and limits, as in a pod."}  # noqa: PLW2901
        at = f"{path}.{name}" if path else name
        found = default.get(name) if isinstance(default, dict) else None
        if below.get("description"):
            yield at, below, None if "properties" in below else found
        yield from _walk(at, below, found)
    more = node.get("additionalProperties")
    if isinstance(more, dict) and "properties" in more:
        yield from _walk(f"{path}.NAME", more, None)
    items = node.get("items")
    if isinstance(items, dict) and "properties" in items:
        yield from _walk(f"{path}[]", items, None)


def _kind(node: Any) -> str:
    if "enum" in node:
        return ", ".join(map(code, node["enum"]))
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return " or ".join(kind for kind in kinds if kind != "null")


def _default(value: Any) -> str | None:
    return None if value is None or value == "" else json.dumps(value)


def topics() -> str:
    """The topics that the chart has Strimzi create, with the settings that Penstock gives them."""
    plant = Plant(site=Site(path="a/b"), windows=Windows(sizes={"1 s": {"reopen_for": "1 s"}}))
    processors = {}
    for name in components.names("processors"):
        processor: Processor = components.load("processors", name)(plant)
        found = topics_of_processor(processor)
        processors[name] = {"reads": list(processor.topics), "topics": _told(found)}
    sinks = {}
    for name in components.names("sinks"):
        kind = components.load("sinks", name)
        needed = {"path": "./lake"} if "path" in kind.Settings.model_fields else {}
        sink = kind(name, kind.Settings(type=name, **needed), plant)
        sinks[name] = {"topics": _told(topics_of_sink(sink.topics))}
    yaml, out = YAML(), io.StringIO()
    yaml.dump({"contract": _told(TOPICS, ()), "processors": processors, "sinks": sinks}, out)
    return _NOTE + out.getvalue()


def _told(found: Any, without: tuple[Topic, ...] = TOPICS) -> list[dict[str, Any]]:
    return [
        {"name": topic.name, "config": topic_config(topic)}
        for topic in found
        if topic not in without
    ]
