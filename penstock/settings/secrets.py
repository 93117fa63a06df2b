"""Secrets stay out of the configuration: `${file:…}` and `${env:…}` are filled in when it is read.

`$${` stands for a plain `${`.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigurationError
from penstock.settings.yaml_file import Document, Place, dotted

LONGEST: Final = 60
"""Characters of a value that are shown in a problem."""
MASK: Final = "**********"
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")


class Secrets:
    """Fills secrets into a document's texts, and hides them again in what people read.

    Args:
        document: Of which.
        needed: Whether what stands at a place must be there; else `MASK` takes its place.
    """

    def __init__(self, document: Document, needed: Callable[[Place], bool]) -> None:
        self._document = document
        self._needed = needed
        self._values: dict[Place, str] = {}
        """Whole values of the keys that hold secrets."""
        self.problems: list[ConfigurationError] = []

    def fill(self) -> Any:
        """The document's data with every reference replaced; what is missing is in `problems`."""
        return self._fill(self._document.data, ())

    def masked(self, problem: ConfigurationError, base: Place | None = None) -> ConfigurationError:
        """A problem without the values of the keys it is about, where secrets were filled in.

        Other texts stay as they are: a short secret would be found in them by chance.

        Args:
            problem: Its message begins with its place, or it is about what is below `base`.
            base: Place of the section that a problem without a place of its own is about.
        """
        head, separator, text = problem.message.partition(": ")
        path = dotted(base) if base else head
        values = [
            value
            for place, value in self._values.items()
            if f"{dotted(place)}.".startswith((f"{path}.", f"{path}["))
        ]
        if not values or not (separator or base):
            return problem
        # Where the message quotes the value, the remedy names it in quotes or not at all.
        whole = [value for value in values if repr(value) not in problem.message]
        remedy = _hidden(problem.remedy, whole) if problem.remedy else None
        text = _hidden(problem.message, values) if base else f"{head}: {_hidden(text, values)}"
        return ConfigurationError(text, where=problem.where, remedy=remedy)

    def _fill(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: self._fill(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._fill(inner, (*place, i)) for i, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        filled = "".join(self._parts(value, place))
        if any(match[0] != "$${" for match in _REFERENCE.finditer(value)) and filled:
            self._values[place] = filled
        return filled

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
        if value is None and (self._needed(place) or not (kind in {"env", "file"} and name)):
            self.problems.append(self._document.problem(place, missing, remedy=remedy))
        return MASK if value is None else value


def _hidden(text: str, values: list[str]) -> str:
    """A text with stars for values in quotes, whole or cut short, and for those on their own."""
    for value in sorted(values, key=len, reverse=True):
        quoted = repr(value)
        if quoted in text:
            text = text.replace(quoted, repr(MASK))
            continue
        if len(quoted) > LONGEST:
            text = text.replace(f"{quoted[: LONGEST - 1]}…", repr(MASK))
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return text


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None
