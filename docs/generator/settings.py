"""The pages of what a user writes: configuration, tag lists, connectors."""

import json
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from generator.markdown import code, docstring, table
from penstock.settings.json_schema import plant_schema
from penstock.settings.tags import Role, Tag

INTRODUCTION: Final = """# Configuration

One YAML file, `plant.yaml`. Paths are relative to it. An unknown key is an error. Durations carry a
unit (`us ms s min h d`). Secrets are written as `"${file:PATH}"` or `"${env:NAME}"`; `$${` stands
for a plain `${`. Editors complete it with [plant.schema.json](plant.schema.json); `penstock init`
writes the newest one beside your file.

## The file

"""


def configuration() -> str:
    """Every section of plant.yaml."""
    spec = plant_schema()
    text = INTRODUCTION
    text += _properties(spec)
    for name, definition in sorted(spec["$defs"].items()):
        text += f"\n## `{name}`\n\n{definition.get('description', '')}\n\n"
        text += _properties(definition)
    return text


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")


def _properties(definition: Mapping[str, Any]) -> str:
    required = definition.get("required", ())
    rows = [
        (
            code(key),
            _kind(value),
            "required" if key in required else _default(value),
            value.get("description", ""),
        )
        for key, value in definition.get("properties", {}).items()
    ]
    return table(["key", "value", "default", "meaning"], rows)


def _kind(value: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if choices := value.get("enum") or ([value["const"]] if "const" in value else None):
        return ", ".join(code(choice) for choice in choices)
    if several := value.get("oneOf") or value.get("anyOf"):
        return " or ".join(kind for one in several if (kind := _kind(one)) != "null")
    if value.get("type") in ("array", "object"):
        return _collection(value)
    return _scalar(value)


def _scalar(value: Mapping[str, Any]) -> str:
    if "us|ms|s" in value.get("pattern", ""):
        return "duration"
    kind = str(value.get("format") or value.get("type", "any"))
    if "minimum" in value and "maximum" in value:
        return f"{kind} {value['minimum']} to {value['maximum']}"
    return kind


def _collection(value: Mapping[str, Any]) -> str:
    if value["type"] == "array":
        return f"list of {_kind(value['items'])}" if "items" in value else "list"
    patterns = value.get("patternProperties", {})
    inner = value.get("additionalProperties") or next(iter(patterns.values()), None)
    key = "duration" if patterns else "name"
    return f"by {key}: {_kind(inner)}" if isinstance(inner, dict) else "section"


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    if isinstance(default, dict | list):
        return "as below" if default else ""
    return code(json.dumps(default).strip('"')) if default is not None else ""


def tag_lists() -> str:
    """Columns of the CSV files."""
    rows = [
        (
            code(name),
            "required" if field.is_required() else "",
            code("" if field.default in (None, "") or field.is_required() else field.default),
            field.description or "",
        )
        for name, field in Tag.model_fields.items()
        if not field.exclude
    ]
    text = "# Tag lists\n\n" + docstring("penstock.settings.tags") + "\n\n"
    text += docstring("penstock.settings.tag_lists").partition("\n\n")[2] + "\n\n"
    text += table(["column", "", "default", "meaning"], rows)
    text += f"\n`role` is one of: {', '.join(code(str(role.value)) for role in Role)}.\n\n"
    text += "How `address`, `type` and `order` are written: [Connectors](connectors.md).\n"
    return text


def connectors() -> str:
    """The connectors' own words."""
    text = "# Connectors\n\nOne section each; all settings: [Configuration](configuration.md).\n"
    for point in sorted(entry_points(group="penstock.connectors"), key=lambda one: one.name):
        text += f"\n## `{point.name}`\n\n{docstring(point.module)}\n"
        if point.name == "modbus":
            text += (
                f"\n### Addresses, types and orders\n\n{docstring('connectors.modbus.registers')}\n"
            )
    return text
