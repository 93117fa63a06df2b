"""The figures as JSON, as a table in Markdown, and as a plot."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.plot import bars

_FIGURES: Final = "streams.json"
TITLES: Final = {
    "columnar": "Events of 100 samples",
    "varying": "Events of 100 samples, varying counts",
    "single": "One sample per message",
    "snapshots": "Snapshots and workers",
}


def known(folder: Path) -> dict[str, Any]:
    """The figures that were written there; none if there are none."""
    file = folder / _FIGURES
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found


def write(figures: Mapping[str, Any], folder: Path) -> None:
    """Write `streams.json`, `streams.md` and `streams.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FIGURES).write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    (folder / "streams.md").write_text(markdown(figures) + "\n", "utf-8")
    groups = {
        title: {name: row["samples_per_s"] for name, row in figures[part].items() if len(row) > 1}
        for part, title in TITLES.items()
        if part in figures
    }
    if groups:
        (folder / "streams.svg").write_text(bars("Samples per second", groups), "utf-8")


def markdown(figures: Mapping[str, Any]) -> str:
    """All tables."""
    if "machine" not in figures:
        return "\n".join(f"{name}: {value}" for name, value in figures.items())
    lines = ["# Stream processing beside peers", ""]
    lines += [", ".join(f"{name} {value}" for name, value in figures["machine"].items()), ""]
    lines += ["![samples per second](streams.svg)"]
    for part, title in TITLES.items():
        if part in figures:
            lines += ["", f"## {title}", "", *_rates(figures[part])]
    if "tags" in figures:
        rows = {
            f"{int(n):,} tags": row
            for n, found in figures["tags"].items()
            for row in found.values()
        }
        lines += ["", "## From a thousand tags to a million", "", *_rates(rows)]
    for part, title in (
        ("latency", "Milliseconds from the closing record to its result, at 50,000 samples/s"),
        ("restore", "Restore"),
        ("bytes", "Bytes per sample"),
    ):
        if part in figures:
            lines += ["", f"## {title}", "", *_plain(figures[part])]
    return "\n".join(lines)


def _rates(rows: Mapping[str, Any]) -> list[str]:
    lines = _head("", "samples/s", "least – most", "Penstock's to it", "processor s", "MB")
    for name, row in rows.items():
        if row.get("refused"):
            lines.append(_row(name, "refused", "", "", "", ""))
            continue
        ratio = f"{row['ratio']:.2f} ×" if "ratio" in row else ""
        spread = f"{row['least']:,.0f} – {row['most']:,.0f}"
        lines.append(
            _row(
                name,
                f"{row['samples_per_s']:,.0f}",
                spread,
                ratio,
                f"{row['cpu_seconds']:.1f}",
                f"{row['memory_mb']:,.0f}",
            )
        )
    return lines


def _plain(found: Mapping[str, Any]) -> list[str]:
    rows = found if all(isinstance(row, dict) for row in found.values()) else {"Penstock": found}
    names = list(next(iter(rows.values())))
    lines = _head("", *(name.replace("_", " ") for name in names))
    return lines + [
        _row(system, *(f"{row[name]:,.4g}" for name in names)) for system, row in rows.items()
    ]


def _head(*names: str) -> list[str]:
    return [_row(*names), _row("---", *("---:" for _ in names[1:]))]


def _row(*cells: str) -> str:
    return f"| {_joined(cells)} |"


def _joined(cells: Iterable[str]) -> str:
    return " | ".join(cells)
