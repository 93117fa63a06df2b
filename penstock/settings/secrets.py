"""Secrets stay out of the configuration: `${file:…}` and `${env:…}` are filled in when it is read.

`$${` stands for a plain `${`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigurationError
from penstock.settings.yaml_file import Document, Place

MASK: Final = "**********"
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")


class Secrets:
    """Fills secrets into a document's texts, and hides them again in what people read."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values: set[str] = set()
        self.problems: list[ConfigurationError] = []

    def fill(self) -> Any:
        """The document's data with every reference replaced; what is missing is in `problems`."""
        return self._fill(self._document.data, ())

    def masked(self, text: str) -> str:
        """A text with every secret in it replaced by stars."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def _fill(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: self._fill(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._fill(inner, (*place, i)) for i, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return "".join(self._parts(value, place))

    def _parts(self, text: str, place: Place) -> Iterator[str]:
        end = 0
        for match in _REFERENCE.finditer(text):
            yield text[end : match.start()]
            end = match.end()
            yield "${" if match[0] == "$${" else self._secret(match[1], place)
        yield text[end:]

    def _secret(self, reference: str, place: Place) -> str:
        kind, _, name = reference.partition(":")
        if kind == "env" and name:
            value = os.environ.get(name)
            missing = f"environment variable {name} is not set"
            remedy = "set it before starting"
        elif kind == "file" and name:
            path = self._document.path.parent / name
            value = _read(path)
            missing = f"secret file {path} is missing or cannot be read"
            remedy = "write the secret into it, readable by Penstock's user only"
        else:
            value = None
            missing = f"'${{{reference}}}' is no reference"
            remedy = "write ${file:PATH} or ${env:NAME}, and $${ for a plain ${"
        if value is None:
            self.problems.append(self._document.problem(place, missing, remedy=remedy))
            return MASK
        if value:
            self._values.add(value)
        return value


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None
