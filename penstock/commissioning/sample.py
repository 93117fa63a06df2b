"""A commented configuration for one connector, made from the fields of its settings.

What validates a configuration and what the reference says of it is one spec, the settings' model;
the sample is the third thing made of it. A field is written out where it is required or its
section's example has it, otherwise as a comment with its default.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ruamel.yaml import YAML

from penstock import components
from penstock.connector import SourceSettings
from penstock.settings.json_schema import component_schema
from penstock.settings.tags import Tag

_COLUMNS: Final = tuple(name for name, field in Tag.model_fields.items() if not field.exclude)
_PLAIN: Final = re.compile(r"[\w./][\w./:@=+ -]*(?<! )", re.ASCII)
_COMMENT_AT: Final = 36
_HEAD: Final = """\
# A configuration to start from, for one source of type {kind}. Settings behind a # are defaults.
# `penstock validate plant.yaml` checks it; `penstock connectors probe {source}` asks the source.
version: 1
site: {{path: acme/bremen}}    # enterprise/site, as in ISA-95
assets:    # every asset that the tag list names
{assets}
sources:
  {source}:    # a name of your own
{section}
windows: {{sizes: {{10 s: {{reopen_for: 15 min}}, 1 min: {{reopen_for: 4 h}}}}}}
sinks:
  lake: {{type: parquet, path: ./lake}}
"""


def source_name(kind: str) -> str:
    """What the sample calls its source."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', kind)}1"


def sample_plant(kind: str) -> str:
    """A whole `plant.yaml` with one source.

    Raises:
        ConfigurationError: No package offers the connector, or it cannot be loaded.
    """
    rows = components.load("connectors", kind).EXAMPLE_TAGS
    assets = dict.fromkeys(row["asset"] for row in rows)
    return _HEAD.format(
        kind=kind,
        source=source_name(kind),
        assets="\n".join(f"  {asset}: {{}}" for asset in assets) or "  {}",
        section="\n".join(f"    {line}" for line in _Section(kind).lines()),
    )


def sample_tags(kind: str) -> str:
    """The tag list that belongs to it, CSV."""
    rows = components.load("connectors", kind).EXAMPLE_TAGS
    columns = [name for name in _COLUMNS if any(name in row for row in rows)]
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(f"{','.join(line)}\n" for line in lines)


class _Section:
    """The lines of one source's section.

    Args:
        kind: Name of its connector.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._definitions = component_schema("sources", kind)

    def lines(self) -> Iterator[str]:
        own = next(iter(self._definitions.values()))
        properties = own["properties"]
        shared = [name for name in SourceSettings.model_fields if name != "type"]
        ordered = [name for name in properties if name not in ("type", *shared)] + shared
        yield f"type: {self._kind}"
        for name in ordered:
            required = name in own.get("required", ())
            for text, comment in self._field(name, properties[name], written=required):
                yield f"{text:<{_COMMENT_AT}}  # {comment}" if comment else text

    def _field(
        self, name: str, spec: Mapping[str, Any], *, written: bool, given: Any = None
    ) -> Iterator[tuple[str, str]]:
        """The lines of a field, each with its comment."""
        example = next(iter(spec.get("examples", ())), None)
        inner = self._inner(spec)
        mark = "" if written else "# "
        if inner is None:
            value = next((v for v in (given, spec.get("default"), example) if v is not None), None)
            shown = "" if value is None else f" {yaml_text(value)}"
            yield f"{mark}{name}:{shown}", self._words(spec)
            return
        yield f"{mark}{name}:", spec.get("description") or inner.get("description", "")
        values = example if isinstance(example, dict) else {}
        for key, below in inner["properties"].items():
            wanted = written and (key in values or key in inner.get("required", ()))
            for text, comment in self._field(key, below, written=wanted, given=values.get(key)):
                yield (f"  {text}" if written else f"#   {text.removeprefix('# ')}"), comment

    def _inner(self, spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The definition of a section below; None of a plain value."""
        choices = [spec, *spec.get("anyOf", ())]
        for reference in (choice["$ref"] for choice in choices if "$ref" in choice):
            found: Mapping[str, Any] = self._definitions[reference.removeprefix("#/$defs/")]
            if "properties" in found:
                return found
        return None

    @staticmethod
    def _words(spec: Mapping[str, Any]) -> str:
        words = str(spec.get("description", ""))
        choices = next((s["enum"] for s in (spec, *spec.get("anyOf", ())) if "enum" in s), None)
        return f"{words} One of: {', '.join(map(str, choices))}." if choices else words


def yaml_text(value: Any) -> str:
    """A value as YAML 1.2 writes it, on one line.

    >>> yaml_text("500 ms"), yaml_text("40001"), yaml_text({"policy": "None", "on": True})
    ('500 ms', '"40001"', '{policy: None, on: true}')
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {yaml_text(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_text, value))}]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and ": " not in value and not value.endswith(":")
        if plain and YAML(typ="safe", pure=True).load(value) == value:
            return value
    return json.dumps(value, ensure_ascii=False)
