"""JSON Schema of the configuration, so that editors complete it and show slips while typing.

`python -m penstock.settings.json_schema FILE` writes it.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from penstock import components
from penstock.settings.plant import Plant
from penstock.settings.sections import GROUPS, Section, settings_model
from penstock.units import format_duration

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """Durations as people write them; no titles that only repeat a key, no keys of our own."""

    def field_is_present(self, field: Any) -> bool:
        return not field.get("serialization_exclude", False)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        if "patternProperties" in made:  # a key that is no duration is a slip
            made["additionalProperties"] = False
        return made


def plant_schema() -> dict[str, Any]:
    """The schema, with the settings of all installed components.

    Raises:
        ConfigurationError: An installed component cannot be loaded.
    """
    schema = Plant.model_json_schema(schema_generator=_Schema)
    definitions = schema["$defs"]
    properties = schema["properties"]
    for section in GROUPS:
        references = {}
        for kind in components.names(GROUPS[section]):
            definitions |= component_schema(section, kind)
            references[kind] = {"$ref": f"#/$defs/{section}.{kind}"}
        properties[section] = {
            "type": "object",
            "description": properties[section].get("description", ""),
        } | _values(section, references)
    return {"$schema": _DIALECT, **schema}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(plant_schema(), indent=2, ensure_ascii=False) + "\n"


def _values(section: Section, references: dict[str, Any]) -> dict[str, Any]:
    """A processor is there once, under its own name; the others say what they are by `type`."""
    if section == "processors":
        return {"properties": references, "additionalProperties": False}
    return {"additionalProperties": {"oneOf": list(references.values())}}


def component_schema(section: Section, kind: str) -> dict[str, Any]:
    """The definitions of one component, under names of their own: its settings' is the first.

    Raises:
        ConfigurationError: No package offers the component, or it cannot be loaded.
    """
    name = f"{section}.{kind}"
    template = f"#/$defs/{name}.{{model}}"
    model = settings_model(section, kind)
    schema = model.model_json_schema(schema_generator=_Schema, ref_template=template)
    inner = schema.pop("$defs", {})
    if section != "processors":
        text = f"The {kind} component."
        schema["properties"]["type"] = {"const": kind, "description": text}
    return {name: schema, **{f"{name}.{key}": value for key, value in inner.items()}}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
