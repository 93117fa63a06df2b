"""Numbers as people's programs write them: with decimal comma or point, one of them per file.

A comma before three digits, as in `1,250`, may stand between thousands, too. It is read as a
decimal comma only where another number of the file can have no other meaning, as `0,5` or `12,25`.
What may mean two numbers is a fault, and so are both marks in one file.
"""

import re
from dataclasses import dataclass
from typing import Final

_DECIMAL: Final = re.compile(r"[+-]?\d*([.,])\d+(?:[eE][+-]?\d+)?")
_THOUSAND_OR_ONE: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_MOST: Final = 100
"""Faults of either kind that are kept."""
_NAMES: Final = {",": "comma", ".": "point"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A number that may mean something else, with its line and column."""

    line: int
    column: str
    message: str
    remedy: str


class Decimals:
    """Reads the numbers of one file; what is wrong shows once all are read.

    >>> numbers = Decimals()
    >>> [numbers.read(cell, line, "flow") for line, cell in enumerate(["1,250", "n/a", "12"], 2)]
    ['1.250', 'n/a', '12']
    >>> [(fault.line, fault.message) for fault in numbers.faults()]
    [(2, "'1,250' may mean two numbers")]
    >>> numbers.read("0,5", 5, "level"), numbers.faults()
    ('0.5', [])
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}
        """Of each mark the line and column where a number first has it beyond doubt."""
        self._doubtful: list[Fault] = []
        self._mixed: list[Fault] = []

    def read(self, cell: str, line: int, column: str) -> str:
        """A cell; a number with a decimal comma is given as Python writes it."""
        number = _DECIMAL.fullmatch(cell) if "," in cell or "." in cell else None
        if number is None:
            return cell
        mark, point = number[1], cell.replace(",", ".")
        other = "." if mark == "," else ","
        if _THOUSAND_OR_ONE.fullmatch(cell):
            if "," not in self._seen and len(self._doubtful) < _MOST:
                remedy = f"write {cell.replace(',', '')} or {point}"
                message = f"{cell!r} may mean two numbers"
                self._doubtful.append(Fault(line, column, message, remedy))
        elif other not in self._seen:
            self._seen.setdefault(mark, (line, column))
        elif len(self._mixed) < _MOST:
            message = f"{cell!r} has a decimal {_NAMES[mark]}"
            there, where = self._seen[other]
            message += f", line {there} a decimal {_NAMES[other]}"
            message += f" in column {where!r}" if where != column else ""
            self._mixed.append(Fault(line, column, message, "use one of them in the whole file"))
        return point

    def faults(self) -> list[Fault]:
        """What may mean something else of all that was read, by line."""
        doubtful = [] if "," in self._seen else self._doubtful
        return sorted(doubtful + self._mixed, key=lambda fault: fault.line)
