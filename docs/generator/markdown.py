"""Pieces of Markdown."""

import importlib
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; bars and line ends in cells are kept from breaking it."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def code(value: object) -> str:
    """A value as code, nothing for None."""
    return "" if value is None or value == "" else f"`{value}`"


def docstring(module: str) -> str:
    """A module's docstring."""
    return (importlib.import_module(module).__doc__ or "").strip()
