"""Says what pydantic found wrong in the words of a configuration: place, fault, remedy."""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from penstock.errors import ConfigurationError
from penstock.settings.problems import suggestion
from penstock.settings.secrets import LONGEST
from penstock.settings.yaml_file import Document, Place

_QUOTED_OR_COLON: Final = re.compile(r"""(?<!\w)(['"`]).*?\1|: """, re.DOTALL)
_NOT_A_NUMBER = ("is no number", None)
_NOT_WHOLE = ("is no whole number", None)
_NO_MAPPING = ("is no section", "write 'key: value' lines below it")
_FAULTS: Final[Mapping[str, tuple[str, str | None]]] = {
    "string_type": ("is no text", "write it in quotes"),
    "int_type": _NOT_WHOLE,
    "int_parsing": _NOT_WHOLE,
    "int_from_float": _NOT_WHOLE,
    "float_type": _NOT_A_NUMBER,
    "float_parsing": _NOT_A_NUMBER,
    "finite_number": ("is no finite number", None),
    "bool_type": ("is neither true nor false", None),
    "bool_parsing": ("is neither true nor false", None),
    "path_type": ("is no path", "write it in quotes"),
    "list_type": ("is no list", "write it as [a, b]"),
    "tuple_type": ("is no list", "write it as [a, b]"),
    "dict_type": _NO_MAPPING,
    "model_type": _NO_MAPPING,
    "model_attributes_type": _NO_MAPPING,
}


def explained(
    error: ValidationError, model: type[BaseModel], document: Document, base: Place = ()
) -> Iterator[ConfigurationError]:
    """A validation error of the section at `base`, as one problem for each fault.

    The values of secrets are not shown.
    """
    for detail in error.errors(include_url=False):
        place = _place(detail["loc"], document, base)
        annotation = annotation_at(model, place[len(base) :])
        message, remedy = fault(detail, annotation)
        if detail["type"] == "extra_forbidden":
            remedy = suggestion(str(place[-1]), _keys(annotation_at(model, place[len(base) : -1])))
        yield document.problem(place, message, remedy=remedy)


def fault(detail: ErrorDetails, annotation: Any = None) -> tuple[str, str | None]:
    """What is wrong with one value, and the remedy."""
    kind = detail["type"]
    shown = "the value" if _has(annotation, SecretStr) else _shown(detail["input"])
    message, remedy = _FAULTS.get(kind, (f"is refused: {_reason(detail)}", None))
    match kind:
        case "missing":
            return "is missing", _description(annotation)
        case "extra_forbidden":
            return "unknown key", None
        case "value_error":
            return _own(str(detail["ctx"]["error"]))
        case "literal_error" | "enum":
            choices = [str(choice) for choice in _choices(annotation)]
            message, remedy = "is not known", suggestion(str(detail["input"]), choices)
    return f"{shown} {message}", remedy


def _reason(detail: ErrorDetails) -> str:
    """Pydantic's own words, for what is rare."""
    text = detail["msg"].removeprefix("Input ")
    return f"{text[:1].lower()}{text[1:]}"


def _own(text: str) -> tuple[str, str | None]:
    """Our validators write `what is wrong: remedy`.

    >>> _own("'a: b' is no site: write it as 'enterprise/site'")
    ("'a: b' is no site", "write it as 'enterprise/site'")
    """
    for found in _QUOTED_OR_COLON.finditer(text):
        if found[0] == ": ":
            return text[: found.start()], text[found.end() :]
    return text, None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _place(location: Sequence[str | int], document: Document, base: Place) -> Place:
    """Pydantic's location without the steps that the file does not have (union members, keys)."""
    place = base
    for number, step in enumerate(location):
        if (*place, step) in document.lines:
            place = (*place, step)
        elif number == len(location) - 1 and step != "[key]":
            place = (*place, step)
    return place


def annotation_at(model: Any, place: Place) -> Any:
    """The annotation of what stands at a place below a model, None where there is no such."""
    annotation: Any = model
    for step in place:
        below = (_below(kind, step) for kind in _kinds(annotation))
        annotation = next((found for found in below if found is not None), None)
    return annotation


def _below(kind: Any, step: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            if step in (name, info.alias):
                return Annotated[info.annotation, info]
        return None
    arguments = get_args(kind)
    if get_origin(kind) in (dict, Mapping):
        return arguments[1]
    return arguments[0] if get_origin(kind) in (list, tuple) else None


def _kinds(annotation: Any) -> Iterator[Any]:
    """The annotation itself, and the members of its unions."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _kinds(member)
    else:
        yield annotation


def _has(annotation: Any, wanted: type) -> bool:
    return any(kind is wanted for kind in _kinds(annotation))


def _keys(annotation: Any) -> list[str]:
    return [
        info.alias or name
        for kind in _kinds(annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, info in kind.model_fields.items()
        if not info.exclude
    ]


def _choices(annotation: Any) -> list[Any]:
    found: list[Any] = []
    for kind in _kinds(annotation):
        if isinstance(kind, type):
            found += [member.value for member in getattr(kind, "__members__", {}).values()]
        else:
            found += get_args(kind)
    return found


def _description(annotation: Any) -> str | None:
    if get_origin(annotation) is not Annotated:
        return None
    description: str | None = get_args(annotation)[1].description
    return description.rstrip(".") if description else None
