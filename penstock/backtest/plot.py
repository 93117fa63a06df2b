"""Draws scores over time: one strip of signals and one of p-values per file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from penstock.backtest.scoring import Scores
from penstock.errors import BacktestError

_LEAST: Final = 1e-12
_MOST: Final = 20
"""Files that one picture holds."""


def draw(
    path: Path,
    scored: Sequence[Scores],
    labels: Sequence[NDArray[np.bool_] | None],
    threshold: float,
) -> None:
    """Write a PNG or SVG, by the file's ending.

    Raises:
        BacktestError: There are too many files, or the picture cannot be written.
    """
    if len(scored) > _MOST:
        msg = f"{len(scored)} files do not fit in one picture"
        raise BacktestError(msg, where=str(path), remedy=f"plot at most {_MOST} at a time")
    figure = Figure(figsize=(12, 3 * len(scored)), layout="constrained")
    axes = figure.subplots(2 * len(scored), 1, squeeze=False)[:, 0]
    for place, (one, label) in enumerate(zip(scored, labels, strict=True)):
        signals, values = axes[2 * place], axes[2 * place + 1]
        when = one.table.times.astype("datetime64[us]")
        spread = np.nanstd(one.table.values, axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        signals.plot(
            when, (one.table.values - np.nanmean(one.table.values, axis=0)) / scale, lw=0.5
        )
        signals.set_title(one.table.path.name, fontsize=9)
        values.semilogy(when, np.maximum(one.p_values, _LEAST), lw=0.8, color="black")
        values.axhline(threshold, lw=0.8, ls="--", color="tab:red")
        values.set_ylabel("p-value", fontsize=8)
        for axis in (signals, values):
            axis.tick_params(labelsize=7)
            axis.margins(x=0)
            across = axis.get_xaxis_transform()
            if label is not None:
                axis.fill_between(when, 0, 1, where=label, transform=across, alpha=0.2, lw=0)
            axis.fill_between(
                when, 0, 0.06, where=one.alarms, transform=across, color="tab:red", lw=0
            )
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        msg = f"the picture cannot be written: {error}"
        raise BacktestError(msg, where=str(path), remedy="name a .png or .svg file") from error
