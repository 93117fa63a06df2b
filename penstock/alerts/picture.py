"""An alert's evidence as a picture: SVG, one panel per tag, the same wherever it is shown.

Drawn from the alert's own columns, so it needs no history and always shows what was known when the
alert was raised. Names come from tag lists and are escaped; the size is bounded by the evidence's.
"""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from penstock.alerts.reading import Datum

_WIDTH: Final = 640
_LEFT: Final = 12
_RIGHT: Final = 12
_PANEL: Final = 86
_HEAD: Final = 58
_FOOT: Final = 26
_MOST_LETTERS: Final = 90
_NO_TEXT: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML does not allow, also not escaped."""
_INK: Final = "#1c2430"
_FAINT: Final = "#5a6472"
_LINE: Final = "#1f5fbf"
_ALARM: Final = "#b3261e"


def picture(alert: Datum) -> str:
    """The evidence of an alert as an SVG document."""
    evidence = alert["evidence"]
    times, tags = list(evidence["times"]), list(evidence["tags"])
    count = len(times)
    signals = [evidence["signals"][k * count : (k + 1) * count] for k in range(len(tags))]
    height = _HEAD + _PANEL * max(1, len(tags)) + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="sans-serif">',
        f"<title>{_text(alert['message'])}</title>",
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        _label(_LEFT, 24, alert["message"], size=16, weight="bold"),
        _label(_LEFT, 44, f"{alert['asset']} · {alert['cause']}", color=_FAINT),
    ]
    if not tags or not count:
        parts.append(_label(_LEFT, _HEAD + 24, "no signals were known then", color=_FAINT))
    for number, (tag, share, signal) in enumerate(
        zip(tags, evidence["shares"], signals, strict=False)
    ):
        top = _HEAD + number * _PANEL
        parts += _panel(top, f"{tag} · {share * 100:.0f} %", times, signal, alert["onset"])
    if count:
        parts.append(_label(_LEFT, height - 9, _clock(times[0]), color=_FAINT))
        end = _label(_WIDTH - _RIGHT, height - 9, _clock(times[-1]), color=_FAINT, anchor="end")
        parts.append(end)
    return "".join([*parts, "</svg>"])


def _panel(
    top: int, title: str, times: Sequence[int], signal: Sequence[float], onset: int
) -> Iterable[str]:
    known = [value for value in signal if math.isfinite(value)]
    yield _label(_LEFT, top + 14, title)
    if not known:
        yield _label(_LEFT, top + 44, "no values", color=_FAINT)
        return
    low, high = min(known), max(known)
    first, span = times[0], max(times[-1] - times[0], 1)
    bottom, tall = top + _PANEL - 14, _PANEL - 40

    def x(time: int) -> float:
        share = min(max((time - first) / span, 0.0), 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return bottom - (value / 2 - low / 2) / max(high / 2 - low / 2, 1e-300) * tall

    if onset <= times[-1]:
        wide = _WIDTH - _RIGHT - x(onset)
        yield (
            f'<rect x="{x(onset):.1f}" y="{bottom - tall - 4}" width="{max(wide, 2.0):.1f}" '
            f'height="{tall + 8}" fill="{_ALARM}" fill-opacity="0.12"/>'
        )
    for run in _runs(times, signal):
        points = " ".join(f"{x(time):.1f},{y(value):.1f}" for time, value in run)
        if len(run) == 1:
            place = points.split(",")
            yield f'<circle cx="{place[0]}" cy="{place[1]}" r="2" fill="{_LINE}"/>'
        else:
            yield f'<polyline points="{points}" fill="none" stroke="{_LINE}" stroke-width="2"/>'
    span_text = f"{low:.4g} … {high:.4g}"
    yield _label(_WIDTH - _RIGHT, top + 14, span_text, color=_FAINT, anchor="end")


def _runs(times: Sequence[int], signal: Sequence[float]) -> list[list[tuple[int, float]]]:
    """The points of a line, cut where no value is known."""
    runs: list[list[tuple[int, float]]] = [[]]
    for time, value in zip(times, signal, strict=True):
        if math.isfinite(value):
            runs[-1].append((time, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _label(
    x: int,
    y: int,
    text: str,
    *,
    size: int = 12,
    color: str = _INK,
    weight: str = "normal",
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{color}" '
        f'text-anchor="{anchor}">{_text(text)}</text>'
    )


def _text(text: str) -> str:
    r"""Text that no XML reader takes for anything else.

    >>> _text("<script>\x00 & co")
    '&lt;script&gt; &amp; co'
    """
    clean = _NO_TEXT.sub("", text)
    return escape(clean if len(clean) <= _MOST_LETTERS else clean[: _MOST_LETTERS - 1] + "…")


def _clock(time: int) -> str:
    try:
        found = datetime.fromtimestamp(time / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{found:%Y-%m-%d %H:%M:%S} UTC"
