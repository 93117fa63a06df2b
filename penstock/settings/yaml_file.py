"""Reads a YAML 1.2 file and keeps, for each path in it, the line on which it stands.

YAML 1.2, because 1.1 reads an unquoted `22:00` as 1320 and `off` as false.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from penstock.errors import ConfigurationError

Place = tuple[str | int, ...]
"""Keys and list indices on the way from the root of the document."""

_CORE = "tag:yaml.org,2002:"
_SCALARS = frozenset(f"{_CORE}{tag}" for tag in ("null", "bool", "int", "float"))
_TEXTS = frozenset(f"{_CORE}{tag}" for tag in ("str", "timestamp", "value", "merge"))
_COLLECTIONS = frozenset(f"{_CORE}{tag}" for tag in ("map", "seq"))


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain dictionaries (all keys text), lists and scalars."""

    path: Path
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[ConfigurationError] = field(default_factory=list)
    """What is wrong with it as YAML, where reading could go on."""

    def where(self, place: Place) -> str:
        """File and line of a place, or of the nearest one around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines.get(place, 1)}"

    def problem(
        self, place: Place, message: str, *, remedy: str | None = None
    ) -> ConfigurationError:
        """An error at a place, its path before the message."""
        path = dotted(place)
        text = f"{path}: {message}" if path else message
        return ConfigurationError(text, where=self.where(place), remedy=remedy)


def dotted(place: Place) -> str:
    """A place as people write it.

    >>> dotted(("calendars", "3shift", "planned_stops", 0, "for"))
    'calendars.3shift.planned_stops[0].for'
    """
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def read_yaml(path: Path) -> Document:
    """Read one YAML document.

    Returns:
        The data; duplicate keys and other slips are in its `problems`.

    Raises:
        ConfigurationError: There is no such file, it is not text in UTF-8, or it is no YAML.
    """
    text = _text(path)
    yaml = YAML(typ="safe", pure=True)
    try:
        return _Reader(path, yaml).read(yaml.compose(text))
    except MarkedYAMLError as error:
        raise _malformed(path, text, error) from None
    except YAMLError as error:
        message = f"malformed YAML: {str(error).splitlines()[0]}"
        raise ConfigurationError(message, where=str(path)) from None
    except RecursionError:
        raise ConfigurationError("is nested too deep", where=str(path)) from None  # noqa: EM101


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg, remedy = "there is no such file", f"penstock init {path.parent} writes one"
    except OSError as error:
        msg, remedy = f"cannot be read: {error.strerror}", "name a YAML file that you may read"
    except UnicodeDecodeError as error:
        msg, remedy = f"byte {error.start} is not UTF-8", "save the file as UTF-8"
    else:
        if not re.search(r"^%YAML 1\.1", text, re.MULTILINE):
            return text
        msg = "is YAML 1.1, where 22:00 is 1320 and off is false"
        remedy = "remove its line '%YAML 1.1'"
    raise ConfigurationError(msg, where=str(path), remedy=remedy) from None


def _malformed(path: Path, text: str, error: MarkedYAMLError) -> ConfigurationError:
    mark = error.problem_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    rows = text.splitlines()
    message = f"malformed YAML: {error.problem}"
    if error.context:
        message += f", {error.context}"
    begun = error.context_mark.line + 1 if error.context_mark else line + 1
    if begun != line + 1:
        message += f" that begins on line {begun}"
    remedy = None
    if line < len(rows) and rows[line][column : column + 1] == "\t":
        remedy = "indent with spaces"
    elif "<block end>" in str(error.problem):
        remedy = "check the indentation of this line and of those above"
    elif error.problem == "mapping values are not allowed here":
        remedy = "check the indentation, and put text that holds ': ' into quotes"
    elif "parsing a flow" in str(error.context):
        remedy = f"close the bracket that line {begun} opens, or put a comma before this"
    return ConfigurationError(message, where=f"{path}:{line + 1}:{column + 1}", remedy=remedy)


class _Reader:
    """Turns composed nodes into plain data, noting lines and slips."""

    def __init__(self, path: Path, yaml: YAML) -> None:
        self._construct = yaml.constructor.construct_object
        self._path = path
        self._lines: dict[Place, int] = {}
        self._problems: list[ConfigurationError] = []
        self._open: list[Node] = []

    def read(self, node: Node | None) -> Document:
        data = None if node is None else self._value(node, ())
        return Document(self._path, data, self._lines, self._problems)

    def _add(self, line: int, place: Place, message: str, remedy: str | None = None) -> None:
        text = f"{dotted(place)}: {message}" if place else message
        where = f"{self._path}:{line}"
        self._problems.append(ConfigurationError(text, where=where, remedy=remedy))

    def _value(self, node: Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(place, line)
        if node in self._open:
            self._add(line, place, "an alias refers to what it is in")
            return None
        if node.tag not in _SCALARS | _TEXTS | _COLLECTIONS:
            self._add(line, place, f"tag {node.tag} is not understood", "remove it")
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return {
                    key: self._value(value, (*place, key)) for key, value in self._keys(node, place)
                }
            if isinstance(node, SequenceNode):
                return [self._value(value, (*place, i)) for i, value in enumerate(node.value)]
            return self._scalar(node, place)
        finally:
            self._open.pop()

    def _scalar(self, node: Node, place: Place) -> Any:
        if node.tag in _TEXTS:
            return node.value
        try:
            return self._construct(node)
        except (ValueError, KeyError, YAMLError):  # only where a tag says what the text is not
            kind = str(node.tag).removeprefix(_CORE)
            self._add(node.start_mark.line + 1, place, f"{node.value!r} is no {kind}")
            return None

    def _keys(self, node: MappingNode, place: Place) -> Iterator[tuple[str, Node]]:
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self._add(line, place, "a key must be text")
            elif key.value in seen:
                inner = (*place, key.value)
                first = seen[key.value]
                self._add(line, inner, f"key given twice, first on line {first}", "remove one")
            else:
                seen[key.value] = self._lines[(*place, key.value)] = line
                yield key.value, value
