"""The demo's summary says what became of a kill, and gives a command that can be copied."""

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from penstock.demo.report import Report, show

QUERY = (
    '.venv/bin/penstock lake query "select asset, tag, count(*), avg(value) '
    'from samples group by all" --lake '
)


def told(folder: Path | str = ".penstock/demo", **figures: Any) -> str:
    found: dict[str, Any] = {one.name: 0 for one in fields(Report)}
    found |= {"windows": 1, "protocols": [], "incidents": [], "examples": []}
    found |= {"oee": {}, "oee_doubts": {}}
    console = Console(file=io.StringIO(), width=60)
    show(Report(**found | figures), console, folder=str(folder))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("what", "seconds", "lost", "words"),
    [
        ("broker", 2.04, 0, "again after 2.0 s"),
        ("broker", None, 0, "came back while draining"),
        ("broker", None, 1, "not back at the end"),
        ("press_plc", None, 0, "ended before it was back"),
    ],
)
def test_what_became_of_a_kill(what: str, seconds: float | None, lost: int, words: str) -> None:
    text = told(lost=lost, incidents=[{"what": what, "seconds": seconds}])
    assert words in " ".join(text.replace("│", " ").split())


def test_the_query_is_one_line_outside_the_frame() -> None:
    assert f"{QUERY}.penstock/demo/lake" in told().splitlines()


def test_a_folder_with_a_blank_is_quoted_for_the_shell() -> None:
    assert f"{QUERY}'my run/lake'" in told("my run").splitlines()


def test_a_delay_beyond_the_last_bucket_is_a_least_one() -> None:
    assert "≥ 10 s" in told(p99_end_to_end_ms=10_000.0)
    assert "9876 ms" in told(p99_end_to_end_ms=9876.2)


def test_an_oee_of_which_little_is_known_is_said_to_be_so() -> None:
    doubts = ["41 % of it known", "doubtful"]
    text = told(oee={"line1": 0.512, "line2": 0.6}, oee_doubts={"line1": doubts, "line2": []})
    said = " ".join(text.replace("│", " ").split())
    assert "51.2% in the last sliding window, 41 % of it known, doubtful" in said
    assert "OEE of line2 60.0% in the last sliding window Look further" in said
