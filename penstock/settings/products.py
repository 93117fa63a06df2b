"""Reads the products' list: how long a unit of each takes on each asset (PRU of ISO 22400-2).

    product,asset,seconds_per_unit
    housing,stamping/line1/press07,1.2
    ,stamping/line1/packer01,0.9

An empty product stands for every product of the asset that has no row of its own. Numbers are read
as in tag lists.
"""

import csv
import io
from pathlib import Path
from typing import Final

from penstock.decimals import Decimals
from penstock.errors import ConfigurationError
from penstock.settings.problems import InvalidConfigurationError

_COLUMNS: Final = ["product", "asset", "seconds_per_unit"]

RunTimes = dict[tuple[str, str], float]
"""Seconds per unit (PRU) by product and asset below the site; an empty product stands for all."""


def read_products(path: Path, shown: Path | None = None) -> RunTimes:
    """The planned run time per unit; errors name the file as `shown`, else as `path`.

    Raises:
        InvalidConfigurationError: The file cannot be read, or rows are wrong; all are named.
    """
    where = str(shown or path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "save it as 'CSV UTF-8'"
        problem = ConfigurationError("cannot be read", where=where, remedy=remedy)
        raise InvalidConfigurationError([problem]) from error
    delimiter = ";" if text.partition("\n")[0].count(";") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    problems: list[ConfigurationError] = []
    found: RunTimes = {}
    if not rows or [name.lower() for name in rows[0][1]] != _COLUMNS:
        msg = f"the first line must be {delimiter.join(_COLUMNS)}"
        raise InvalidConfigurationError([ConfigurationError(msg, where=f"{where}:1", remedy=None)])
    decimals = Decimals()
    for line, cells in rows[1:]:
        try:
            seconds = [decimals.read(cell, line, _COLUMNS[-1]) for cell in cells[-1:]]
            _take([*cells[:-1], *seconds], found)
        except ValueError as error:
            problems.append(ConfigurationError(str(error), where=f"{where}:{line}", remedy=None))
    problems += [
        ConfigurationError(
            f"column {one.column}: {one.message}", where=f"{where}:{one.line}", remedy=one.remedy
        )
        for one in decimals.faults()
    ]
    if problems:
        raise InvalidConfigurationError(problems)
    return found


def _take(cells: list[str], found: RunTimes) -> None:
    if len(cells) != len(_COLUMNS):
        msg = f"{len(cells)} cells under {len(_COLUMNS)} columns"
        raise ValueError(msg)
    product, asset, written = cells
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        msg = f"column seconds_per_unit: {written!r} is no number of seconds above 0"
        raise ValueError(msg)
    if not asset:
        msg = "column asset: is empty"
        raise ValueError(msg)
    if (product, asset) in found:
        msg = f"product {product!r} of {asset!r} is there twice: remove one"
        raise ValueError(msg)
    found[product, asset] = seconds
