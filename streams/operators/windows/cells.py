"""A cell holds the statistics of one series in one window; groups and held values are added to it.

Sums are of differences from a value that the cell took first, so that the variance of
101325 ± 0.01 keeps its digits. A value that is only carried into the window is no such reference.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.operators.windows.folding import Groups
from streams.operators.windows.parameters import FOREVER, NEVER

CELL: Final = np.dtype(
    [
        ("count", "<i8"),
        ("bad", "<i8"),
        ("late", "<i8"),
        ("reference", "<f8"),
        ("sum", "<f8"),
        ("squares", "<f8"),
        ("minimum", "<f8"),
        ("maximum", "<f8"),
        ("first_time", "<i8"),
        ("first", "<f8"),
        ("last_time", "<i8"),
        ("last", "<f8"),
        ("level", "<f8"),
        ("integral", "<f8"),
        ("covered", "<i8"),
    ]
)
"""`sum` and `squares` are about `reference`, the first good sample; `integral`, over microseconds,
about `level`, the first held value; `covered` in microseconds."""

_NAN: Final = np.nan
EMPTY: Final = np.array(
    [(0, 0, 0, _NAN, 0.0, 0.0, np.inf, -np.inf, FOREVER, _NAN, NEVER, _NAN, _NAN, 0.0, 0)], CELL
)


def add(cells: NDArray[Any], rows: NDArray[np.int64], groups: Groups, late: bool) -> None:
    """Add groups to cells, several to one cell if need be, in the order of time within a cell.

    Args:
        cells: The pool, of `CELL`.
        rows: The cell of each group.
        groups: Partial statistics.
        late: Whether the samples came behind the watermark: they are counted as late, and held for
            no time.
    """
    if groups.bad.any():
        np.add.at(cells["bad"], rows, groups.bad)
        some = np.flatnonzero(groups.count)
        rows, groups = rows[some], _take(groups, some)
    np.add.at(cells["count"], rows, groups.count)
    if late:
        np.add.at(cells["late"], rows, groups.count)
    shift = groups.reference - _reference(cells["reference"], rows, groups.reference)
    count = groups.count.astype(np.float64)
    np.add.at(cells["sum"], rows, groups.sum + count * shift)
    np.add.at(cells["squares"], rows, groups.squares + shift * (2 * groups.sum + count * shift))
    np.minimum.at(cells["minimum"], rows, groups.minimum)
    np.maximum.at(cells["maximum"], rows, groups.maximum)
    if not late:
        shift = groups.reference - _reference(cells["level"], rows, groups.reference)
        np.add.at(cells["integral"], rows, groups.integral + groups.covered * shift)
        np.add.at(cells["covered"], rows, groups.covered)
    first, last = (groups.first_time, groups.first), (groups.last_time, groups.last)
    _first_and_last(cells, rows, first, last)


def _first_and_last(
    cells: NDArray[Any],
    rows: NDArray[np.int64],
    first: tuple[NDArray[np.int64], NDArray[np.float64]],
    last: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    """Take the earliest and the latest of (times, values); of equal times the later one counts."""
    earlier = first[0] < cells["first_time"][rows]
    np.minimum.at(cells["first_time"], rows, first[0])
    earlier &= first[0] == cells["first_time"][rows]
    cells["first"][rows[earlier]] = first[1][earlier]
    np.maximum.at(cells["last_time"], rows, last[0])
    latest = last[0] == cells["last_time"][rows]
    cells["last"][rows[latest]] = last[1][latest]


def cover(
    cells: NDArray[Any],
    rows: NDArray[np.int64],
    value: NDArray[np.float64],
    duration: NDArray[np.int64],
) -> None:
    """Add values held for a duration (microseconds)."""
    shift = value - _reference(cells["level"], rows, value)
    np.add.at(cells["integral"], rows, shift * duration)
    np.add.at(cells["covered"], rows, duration)


def combine(cells: NDArray[Any], rows: NDArray[np.int64], parts: NDArray[Any]) -> None:
    """Add cells of neighbouring stretches of time to cells of longer ones, in the order of time."""
    for name in ("count", "bad", "late", "covered"):
        np.add.at(cells[name], rows, parts[name])
    np.minimum.at(cells["minimum"], rows, parts["minimum"])
    np.maximum.at(cells["maximum"], rows, parts["maximum"])
    _combine_sums(cells, rows, parts)
    held = np.flatnonzero((parts["covered"] > 0) | np.isnan(parts["integral"]))
    part, to = parts[held], rows[held]
    shift = part["level"] - _reference(cells["level"], to, part["level"])
    np.add.at(cells["integral"], to, part["integral"] + part["covered"] * shift)


def _combine_sums(cells: NDArray[Any], rows: NDArray[np.int64], parts: NDArray[Any]) -> None:
    some = np.flatnonzero(parts["count"])
    part, to = parts[some], rows[some]
    shift = part["reference"] - _reference(cells["reference"], to, part["reference"])
    count = part["count"].astype(np.float64)
    np.add.at(cells["sum"], to, part["sum"] + count * shift)
    np.add.at(cells["squares"], to, part["squares"] + shift * (2 * part["sum"] + count * shift))
    first, last = (part["first_time"], part["first"]), (part["last_time"], part["last"])
    _first_and_last(cells, to, first, last)


def _reference(
    column: NDArray[np.float64], rows: NDArray[np.int64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The reference of each cell, which becomes the first of its values where it had none."""
    reference = column[rows]
    unset = np.isnan(reference)
    if unset.any():
        # Backwards, since of several assignments to one cell the last remains.
        column[rows[unset][::-1]] = value[unset][::-1]
        reference = column[rows]
    return reference


def _take(groups: Groups, which: NDArray[np.int64]) -> Groups:
    return Groups(*(getattr(groups, name)[which] for name in Groups.__slots__))


def results(cells: NDArray[Any], size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`counts` and `figures` of `schemas.WindowStatistics` for these cells; NaN is no figure."""
    count, covered = cells["count"], cells["covered"]
    some = count > 0
    mean = cells["sum"] / count
    counts = np.stack([count, cells["bad"], cells["late"]])
    figures = np.stack(
        [
            cells["reference"] + mean,
            cells["level"] + cells["integral"] / covered,
            np.where(some, cells["minimum"], np.nan),
            np.where(some, cells["maximum"], np.nan),
            np.sqrt(np.maximum(cells["squares"] / count - mean * mean, 0.0)),
            cells["first"],
            cells["last"],
            covered / size,
        ]
    )
    return counts, figures
