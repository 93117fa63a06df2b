"""What is said beside a figure that is not to be taken at its word."""

import math
from typing import Any

import pytest

from penstock.doubts import doubts


def record(coverage: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {"coverage": coverage, "incomplete": False, "flags": [], **more}


@pytest.mark.parametrize("coverage", [None, math.nan, 0.95, 1.0])
def test_of_a_figure_that_is_known_nothing_is_said(coverage: float | None) -> None:
    assert doubts(record(coverage)) == []


def test_all_doubts_are_said_in_a_word_each() -> None:
    found = doubts(record(0.946, incomplete=True, flags=["a", "b"]))
    assert found == ["incomplete", "95 % of it known", "doubtful"]
