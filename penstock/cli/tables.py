"""Rows for people, in tables or blocks, or as JSON for scripts."""

import json
import math
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table

_ANY_WIDTH: Final = 1_000_000


def show_rows(names: list[str], rows: list[tuple[Any, ...]], as_json: bool) -> bool:
    """Print rows; gives whether it was for people."""
    if as_json:
        for row in rows:
            values = dict(zip(names, map(_plain, row), strict=True))
            typer.echo(json.dumps(values, default=str, allow_nan=False))
        return False
    table = Table(*(Column(escape(name), no_wrap=True) for name in names))
    cells = [[escape(_cell(value)) for value in row] for row in rows]
    for shown in cells:
        table.add_row(*shown)
    console = Console(highlight=False)
    if console.is_terminal and _width(table, console) > console.width:
        _show_blocks(names, cells, console)
    else:
        show_table(table)
    return True


def show_table(table: Table) -> None:
    """Print a table in a terminal's width; files and pipes have none, and nothing is broken."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=max(_width(table, console), console.width), highlight=False)
    console.print(table)


def _width(table: Table, console: Console) -> int:
    unbounded = console.options.update(max_width=_ANY_WIDTH)
    return Measurement.get(console, unbounded, table).maximum


def _show_blocks(names: list[str], rows: list[list[str]], console: Console) -> None:
    """One column per line, where a row is wider than the terminal."""
    widest = max(map(len, names), default=0)
    for number, row in enumerate(rows, start=1):
        console.print(f"[dim]── {number}[/]")
        for name, cell in zip(names, row, strict=True):
            console.print(f"[bold]{escape(name.ljust(widest))}[/]  {cell}", soft_wrap=True)


def _cell(value: Any) -> str:
    r"""A value for people.

    >>> _cell(None), _cell(0.1 + 0.2), _cell(b"\x01\xff"), _cell([1, 2])
    ('', '0.3', '01ff', '[1, 2]')
    """
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case bytes():
            return value.hex()
    return str(value)


def _plain(value: Any) -> Any:
    r"""A value as JSON can hold it: what is no finite number is null, bytes are hexadecimal.

    >>> _plain([float("nan"), b"\x01\xff", {"a": 1.5}])
    [None, '01ff', {'a': 1.5}]
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
    return value
