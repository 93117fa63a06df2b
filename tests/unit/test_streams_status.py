"""What `penstock streams status` shows of a partition."""

from types import SimpleNamespace

import pytest

from penstock.cli import streams

NOW = 1_763_856_000_000_000


@pytest.mark.parametrize(
    ("greatest", "least", "shown"),
    [
        (None, None, "–"),
        (NOW - 2_600_000, NOW - 2_600_000, "2.6 s"),
        (NOW - 2_600_000, NOW - 90_000_000, "2.6 s … 90 s"),
    ],
)
def test_how_far_watermarks_are_behind_is_said_once_where_they_agree(
    greatest: int | None, least: int | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "now", lambda: NOW)
    marks = SimpleNamespace(watermark_greatest=greatest, watermark_least=least)
    assert streams._behind(marks) == shown  # type: ignore[arg-type]  # all that it looks at
