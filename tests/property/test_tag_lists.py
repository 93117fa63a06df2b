"""A tag list says the same in every dialect that an engineering tool may write."""

import csv
import io
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.settings.tag_lists import read_tags
from penstock.settings.tags import Role, Tag
from penstock.units import format_duration, parse_duration

# no two of these letters, written in cp1252, happen to be UTF-8
NAMES = st.text("abcXYZ019_/;,.'\" äöüß", min_size=1, max_size=12).filter(lambda t: t == t.strip())
NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(NUMBERS)
    return {
        "asset": draw(NAMES),
        "tag": draw(NAMES),
        "address": draw(NAMES),
        "scale": draw(NUMBERS.filter(bool)),
        "low": low,
        "high": round(low + draw(st.integers(1, 1000)), 3),
        "poll": timedelta(microseconds=draw(st.integers(1, 10**12))),
        "role": draw(st.sampled_from(Role)),
        "description": draw(st.none() | NAMES),
    }


def cell(value: Any, mark: str) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            return format_duration(value)
        case float():
            # three decimals and quoted would be ambiguous in a list with commas: add a fourth
            return f"{value:.4f}".replace(".", mark)
        case _:
            return str(value)


@settings(max_examples=150)
@given(
    st.lists(rows(), min_size=1, max_size=4),
    st.sampled_from(";,"),
    st.sampled_from(",."),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_same_in_every_dialect(
    rows: list[dict[str, Any]], delimiter: str, mark: str, encoding: str, end: str, quoting: Any
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(rows[0])
    writer.writerows([cell(value, mark) for value in row.values()] for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tags.csv")
        path.write_bytes(text.getvalue().encode(encoding))
        read = read_tags(path)
        wanted = [Tag(**row, where=f"{path}:{line}") for line, row in enumerate(rows, 2)]
    assert list(read) == wanted


@given(st.timedeltas(timedelta(0), timedelta(days=10_000)))
def test_durations_survive_writing(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
