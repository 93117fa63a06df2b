"""Paths in a configuration are relative to its file, whatever the working directory is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from penstock.settings.yaml_file import Place


@dataclass(frozen=True, slots=True)
class _Located:
    """Marks a text that is a path or a URL."""


Location = Annotated[str, _Located(), Field(examples=["./lake", "s3://bucket/lake"])]
"""A folder's path, relative to the configuration's file, or a URL, which is left as it is."""

_URL: Final = "://"


def resolved(value: Any, folder: Path) -> Any:
    """A settings model, or what such holds, with every `Path` and `Location` under `folder`.

    An absolute path stays; `~` is the home folder.
    """
    if isinstance(value, BaseModel):
        changed = {name: _field(value, name, folder) for name in type(value).model_fields}
        return value.model_copy(update=changed)
    if isinstance(value, dict):
        return {key: resolved(inner, folder) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(resolved(inner, folder) for inner in value)
    return folder / value.expanduser() if isinstance(value, Path) else value


def _field(model: BaseModel, name: str, folder: Path) -> Any:
    value = getattr(model, name)
    located = any(isinstance(mark, _Located) for mark in type(model).model_fields[name].metadata)
    if located and isinstance(value, str) and _URL not in value:
        return str(folder / Path(value).expanduser())
    return resolved(value, folder)


def paths(value: Any, place: Place = ()) -> Iterator[tuple[Place, Path]]:
    """Every `Path` in a settings model, with its place."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from paths(getattr(value, name), (*place, info.alias or name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from paths(inner, (*place, number))
    elif isinstance(value, Path):
        yield place, value
