"""The page of the Helm chart's values, and the chart's lists of topics and of rights in Kafka."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from generator.markdown import code, table
from penstock import components
from penstock.kafka.admin import topic_config
from penstock.kafka.topics import Topic
from penstock.processor import Processor
from penstock.runtime.rights import (
    Right,
    rights_of_connector,
    rights_of_console,
    rights_of_processor,
    rights_of_sink,
    rights_of_tools,
)
from penstock.runtime.topics import TOPICS_OF_CONNECTORS, topics_of_processor, topics_of_sink
from penstock.settings.plant import Plant, Site, Windows
from penstock.sink import Sink

CHART: Final = Path(__file__).parents[2] / "helm" / "penstock"
TOPICS_FILE: Final = CHART / "files" / "topics.yaml"
RIGHTS_FILE: Final = CHART / "files" / "rights.yaml"
_ENVIRONMENT: Final = "ENVIRONMENT"
"""What the chart replaces by the plant's environment."""
_NAME: Final = "NAME"
"""What it replaces by a sink's name."""
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
    plant = _plant()
    processors = {
        one.name: {"reads": list(one.topics), "topics": _told(topics_of_processor(one))}
        for one in _processors(plant)
    }
    sinks = {kind: {"topics": _told(topics_of_sink(sink))} for kind, sink in _sinks(plant).items()}
    return _yaml(
        {"connectors": _told(TOPICS_OF_CONNECTORS), "processors": processors, "sinks": sinks}
    )


def rights() -> str:
    """The rights in Kafka that the chart has Strimzi's user operator give to each component.

    What the commands need of a plant beyond an empty one is said by processor and kind of sink.
    """
    plant, none = _plant(), {name: {"enabled": False} for name in components.names("processors")}
    empty = _with(plant, none, {})
    base = rights_of_tools(empty)
    processors = {
        one.name: {
            "rights": _rights(rights_of_processor(one, _ENVIRONMENT)),
            "tools": _rights(
                rights_of_tools(_with(plant, none | {one.name: {"enabled": True}}, {})), base
            ),
        }
        for one in _processors(plant)
    }
    sinks = {
        kind: {
            "rights": _rights(rights_of_sink(sink, _ENVIRONMENT)),
            "tools": _rights(rights_of_tools(_with(plant, none, {_NAME: sink.settings})), base),
        }
        for kind, sink in _sinks(plant).items()
    }
    return _yaml({
        "connector": _rights(rights_of_connector()),
        "console": _rights(rights_of_console(_ENVIRONMENT)),
        "tools": _rights(base),
        "processors": processors,
        "sinks": sinks,
    })  # fmt: skip


def _plant() -> Plant:
    windows = Windows(sizes={"1 s": {"reopen_for": "1 s"}})
    return Plant(environment=_ENVIRONMENT, site=Site(path="a/b"), windows=windows)


def _with(plant: Plant, processors: dict[str, Any], sinks: dict[str, Any]) -> Plant:
    sections = {
        name: components.load("processors", name).Settings(**own)
        for name, own in processors.items()
    }
    return plant.model_copy(update={"processors": sections, "sinks": sinks})


def _processors(plant: Plant) -> list[Processor]:
    return [components.load("processors", name)(plant) for name in components.names("processors")]


def _sinks(plant: Plant) -> dict[str, Sink]:
    found = {}
    for kind in components.names("sinks"):
        sink = components.load("sinks", kind)
        needed = {"path": "./lake"} if "path" in sink.Settings.model_fields else {}
        found[kind] = sink(_NAME, sink.Settings(type=kind, **needed), plant)
    return found


def _rights(found: Iterable[Right], without: Iterable[Right] = ()) -> list[dict[str, Any]]:
    known = set(without)
    return [
        asdict(right) | {"operations": list(right.operations)}
        for right in found
        if right not in known
    ]


def _yaml(data: Any) -> str:
    yaml, out = YAML(), io.StringIO()
    yaml.dump(data, out)
    return _NOTE + out.getvalue()


def _told(found: Iterable[Topic]) -> list[dict[str, Any]]:
    return [{"name": topic.name, "config": topic_config(topic)} for topic in found]
