import json
import re
from pathlib import Path
from typing import Any

from penstock import components
from penstock.settings.json_schema import plant_schema, schema_text
from penstock.settings.plant import Plant
from penstock.settings.starter import write_starter
from penstock.settings.yaml_file import read_yaml

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "plant.schema.json"


def test_published_schema_is_up_to_date() -> None:
    command = "python -m penstock.settings.json_schema docs/reference/plant.schema.json"
    # a flag, not the texts: the difference of two long texts takes minutes to print
    current = PUBLISHED.read_text(encoding="utf-8") == schema_text()
    assert current, f"run {command}"


def test_has_every_section_and_component() -> None:
    schema = plant_schema()
    assert set(schema["properties"]) == set(Plant.model_fields) - {"tags", "run_times"}
    assert "free_days" not in schema["$defs"]["Calendar"]["properties"]
    offered = schema["properties"]["sources"]["additionalProperties"]["oneOf"]
    kinds = [follow(schema, choice)["properties"]["type"]["const"] for choice in offered]
    assert kinds == components.names("connectors")
    assert list(schema["properties"]["processors"]["properties"]) == components.names("processors")


def test_every_reference_leads_somewhere() -> None:
    schema = plant_schema()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return here + [found for inner in node.values() for found in references(inner)]
        if isinstance(node, list):
            return [found for inner in node for found in references(inner)]
        return []

    found = set(references(schema))
    assert found
    assert {reference.removeprefix("#/$defs/") for reference in found} == set(schema["$defs"])


def test_durations_are_written_with_units() -> None:
    windows = plant_schema()["$defs"]["Windows"]["properties"]
    assert windows["out_of_order"]["default"] == "1 s"
    assert windows["sizes"]["additionalProperties"] is False


def test_knows_every_key_of_the_starter(tmp_path: Path) -> None:
    write_starter(tmp_path)
    schema = json.loads((tmp_path / "plant.schema.json").read_text(encoding="utf-8"))
    data = read_yaml(tmp_path / "plant.yaml").data
    assert unknown(schema, schema, data) == []
    data["sources"]["utilities"]["framign"] = "tcp"
    data["windows"]["sizes"]["10"] = {}
    assert unknown(schema, schema, data) == ["utilities.framign", "sizes.10"]


def follow(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node


def unknown(schema: dict[str, Any], node: dict[str, Any], data: Any, name: str = "") -> list[str]:
    """The keys of the data that the schema does not allow, each after the one around it."""
    node = follow(schema, node)
    for choice in [*node.get("oneOf", ()), *node.get("anyOf", ())]:
        found = follow(schema, choice)
        if not isinstance(data, dict) or found.get("type") != "object":
            continue
        if found["properties"].get("type", {}).get("const") in (None, data.get("type")):
            node = found
    if isinstance(data, list):
        return [slip for item in data for slip in unknown(schema, node.get("items", {}), item)]
    if not isinstance(data, dict):
        return []
    slips: list[str] = []
    for key, value in data.items():
        below = node.get("properties", {}).get(key) or pattern(node, key)
        below = node.get("additionalProperties", {}) if below is None else below
        slips += [f"{name}.{key}"] if below is False else unknown(schema, below, value, key)
    return slips


def pattern(node: dict[str, Any], key: str) -> dict[str, Any] | None:
    patterns: dict[str, dict[str, Any]] = node.get("patternProperties", {})
    return next((below for text, below in patterns.items() if re.search(text, key)), None)
