"""How the cells of a history file are read: numbers, times and labels."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
_LABELS: Final = {"true": True, "yes": True, "false": False, "no": False}


def is_number(cell: Any) -> bool:
    """Whether a cell is written as a number, NaN and infinity with it."""
    try:
        float(cell)
    except (ValueError, TypeError):
        return False
    return True


def absent(cell: Any) -> bool:
    """Whether a cell says that nothing was measured."""
    return cell is None or (isinstance(cell, str) and cell.lower() in _ABSENT)


def number(cell: Any) -> float:
    """A cell as a number; NaN where it is empty or infinite.

    >>> number("1.5"), number("NaN"), number("inf")
    (1.5, nan, nan)
    """
    if absent(cell):
        return math.nan
    value = float(cell)
    return value if math.isfinite(value) else math.nan


def label(cell: Any) -> bool:
    """A cell as a label; none where it is empty.

    Raises:
        ValueError: It is no whole number, as of a kind of fault, and none of the words.

    >>> [label(cell) for cell in ("1.0", "0", "", "Yes", False)]
    [True, False, False, True, False]
    """
    known = _LABELS.get(str(cell).lower())
    if known is not None:
        return known
    value = number(cell)
    if value is None or math.isnan(value):
        return False
    if not value.is_integer():
        raise ValueError(cell)
    return value != 0.0


def microseconds(cell: Any) -> int:
    """A time as microseconds; a number is seconds since 1970.

    >>> microseconds("1970-01-01 00:00:01"), microseconds("2.5")
    (1000000, 2500000)
    """
    if isinstance(cell, str):
        try:
            return round(float(cell) * 1e6)
        except ValueError:
            cell = datetime.fromisoformat(cell)
    if isinstance(cell, int | float):
        return round(cell * 1e6)
    known: datetime = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    return (known - _EPOCH) // timedelta(microseconds=1)


WANTED: Final[dict[Callable[[Any], Any], tuple[str, str]]] = {
    microseconds: ("time", "write it as 2020-03-09 10:14:33, or name another column with --time"),
    number: ("number", "leave the cell empty where nothing was measured, or --ignore the column"),
    label: ("label", "write 0 or a whole number, true or false, yes or no; empty is 0"),
}
"""By how a cell is read: what it should have been, and what to do."""
