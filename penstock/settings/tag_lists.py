"""Reads tag lists as OT engineers have them: CSV from Excel or an engineering tool.

`;`, `,` or tabs between cells, decimal comma or point, with or without byte order mark, UTF-8,
cp1252 or UTF-16 (Excel's "Unicode text"), any line ends, header names in any case; empty lines are
skipped. What may mean two things is an error, as `1,250` where no other number shows what it means.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from penstock.decimals import Decimals
from penstock.errors import ConfigurationError
from penstock.settings.explain import annotation_at, fault
from penstock.settings.problems import InvalidConfigurationError, suggestion
from penstock.settings.tags import Tag

_COLUMNS: Final = tuple(name for name, field in Tag.model_fields.items() if not field.exclude)
_REQUIRED: Final = tuple(name for name, field in Tag.model_fields.items() if field.is_required())
_NUMBERS: Final = ("scale", "offset", "low", "high", "max", "deadband")
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WORKBOOK: Final = b"PK\x03\x04"


def read_tags(path: Path, shown: Path | None = None) -> tuple[Tag, ...]:
    """Read one tag list; each tag knows its file and line.

    Args:
        path: The CSV file.
        shown: How errors name it, where not by `path`.

    Raises:
        InvalidConfigurationError: The file cannot be read, a column is missing or unknown, or rows
            are wrong; all problems are in it, each with its line and column.
    """
    return _TagList(read_text(path, shown or path), shown or path).read()


class _TagList:
    """One reading of one list; problems gather on the way."""

    def __init__(self, text: str, path: Path) -> None:
        self._path = path
        self._text = text
        self._delimiter = delimiter_of(text)
        self._line = 1
        """Where the row in hand begins."""
        self._problems: list[ConfigurationError] = []
        self._decimals = Decimals()

    def read(self) -> tuple[Tag, ...]:
        rows = self._rows()
        try:
            columns = self._header(next(rows, []))
            tags = [tag for cells in rows if (tag := self._row(columns, cells))]
        except csv.Error as error:
            remedy = 'write a quote inside quotes twice ("")'
            self._add(f"quoting is broken in or after this line: {error}", remedy)
            tags = []
        for one in self._decimals.faults():
            self._line = one.line
            self._add(f"column {one.column}: {one.message}", one.remedy)
        if not tags and not self._problems:
            self._add("the list has no tags", "add a line for each tag")
        if self._problems:
            raise InvalidConfigurationError(self._problems)
        return tuple(tags)

    def _add(self, message: str, remedy: str | None = None) -> None:
        where = f"{self._path}:{self._line}"
        self._problems.append(ConfigurationError(message, where=where, remedy=remedy))

    def _rows(self) -> Iterator[list[str]]:
        """The rows that are not empty."""
        lines = io.StringIO(self._text, newline="")
        skipped = 0
        if _says_delimiter(self._text):
            lines.readline()
            skipped = 1
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        self._line = skipped + 1
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield cells
            self._line = skipped + reader.line_num + 1

    def _header(self, header: Sequence[str]) -> list[str]:
        columns = ["_".join(name.lower().split()) for name in header]
        for number, name in enumerate(columns):
            if name and name not in _COLUMNS:
                self._add(f"unknown column {name!r}", suggestion(name, _COLUMNS))
            elif name and name in columns[:number]:
                self._add(f"column {name!r} is there twice", "remove one")
        missing = [name for name in _REQUIRED if name not in columns]
        if missing:
            remedy = "the first line names the columns, with ';' or ',' between them"
            self._add(f"there is no column {', '.join(missing)}", remedy)
        if self._problems:
            raise InvalidConfigurationError(self._problems)
        return columns

    def _row(self, columns: Sequence[str], cells: Sequence[str]) -> Tag | None:
        if any(cells[len(columns) :]):
            self._too_many(columns, cells)
            return None
        values = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
        if "" in values:
            self._add(f"{values['']!r} has no column name above it", "name the column")
            return None
        for name in _NUMBERS:
            if name in values:
                values[name] = self._decimals.read(values[name], self._line, name)
        if "role" in values:
            values["role"] = values["role"].lower()
        tag = self._tag(values)
        if tag is None and len(cells) > len(columns):  # what was cut in two made the others wrong
            self._too_many(columns, cells)
        return tag

    def _too_many(self, columns: Sequence[str], cells: Sequence[str]) -> None:
        remedy = f"put a cell that holds {self._delimiter!r} into quotes"
        if self._delimiter == ",":
            remedy += ", as a number with a decimal comma"
        self._add(f"{len(cells)} cells under {len(columns)} columns", remedy)

    def _tag(self, values: dict[str, str]) -> Tag | None:
        try:
            return Tag.model_validate({**values, "where": f"{self._path}:{self._line}"})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place = detail["loc"]
                column = f"column {place[0]}: " if place else ""
                message, remedy = fault(detail, annotation_at(Tag, place))
                self._add(column + message, remedy)
            return None


def read_text(path: Path, shown: Path | None = None) -> str:
    """A tag list's text, whatever its encoding.

    Raises:
        InvalidConfigurationError: It cannot be read, is no text, or in two encodings at once.
    """
    shown = shown or path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        message, remedy = "there is no such tag list", "write the file or correct 'tags'"
    except OSError as error:
        message, remedy = f"cannot be read: {error.strerror}", "correct 'tags' or the file's rights"
    else:
        if data.startswith(_WORKBOOK):
            message, remedy = "is an Excel workbook", "save it as 'CSV UTF-8'"
        elif data.startswith(_UTF16):
            try:
                return data.decode("utf-16")
            except UnicodeDecodeError:
                message, remedy = "is no whole text in UTF-16", "save it as 'CSV UTF-8'"
        elif b"\0" in data:
            message, remedy = "is no text in UTF-8 or cp1252", "save it as 'CSV UTF-8'"
        else:
            return _decoded(data, shown)
    problem = ConfigurationError(message, where=str(shown), remedy=remedy)
    raise InvalidConfigurationError([problem]) from None


def encoding_of(data: bytes) -> str:
    """How a row more is to be encoded."""
    if data.startswith(_UTF16):
        return "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    return "utf-8" if _is_utf8(data) else "cp1252"


def _decoded(data: bytes, shown: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse_mixture(data, shown)
        # the five bytes that cp1252 leaves open become U+FFFD: only a description can hold them
        return data.decode("cp1252", errors="replace")


def _refuse_mixture(data: bytes, shown: Path) -> None:
    """Refuse text of which some lines are UTF-8 and others are not: each may be misread.

    Raises:
        InvalidConfigurationError: It is so; the first line of either kind is named.
    """
    first: dict[bool, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line.isascii():
            first.setdefault(_is_utf8(line), number)
    if len(first) > 1 or data.startswith(codecs.BOM_UTF8):
        utf8 = first[True] if True in first else 1
        message = f"this line is no UTF-8, but line {utf8} is: two encodings in one file"
        remedy = "open it as the encoding of most lines, correct the others, save as 'CSV UTF-8'"
        problem = ConfigurationError(message, where=f"{shown}:{first[False]}", remedy=remedy)
        raise InvalidConfigurationError([problem])


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _says_delimiter(text: str) -> bool:
    """Whether the first line is the one by which Excel says what is between the cells."""
    return text[:5].lower() in ("sep=,", "sep=;", "sep=\t")


def delimiter_of(text: str) -> str:
    """What is between the cells of a tag list."""
    if _says_delimiter(text):
        return text[4]
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)
