"""The table of faults names tests that exist."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("fault_rows", TESTS / "faults" / "rows.py")
assert _spec is not None and _spec.loader is not None
_rows: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_rows)
ALL = (*_rows.ROWS, *_rows.ELSEWHERE)
NAMES = sorted({name for row in ALL for name in row.tests})


@pytest.mark.parametrize("name", NAMES)
def test_a_test_of_the_table_exists(name: str) -> None:
    file, _, test = name.partition("::")
    assert f"def {test}(" in (TESTS / file).read_text("utf-8")


def test_no_fault_is_there_twice() -> None:
    faults = [row.fault for row in ALL]
    assert len(set(faults)) == len(faults)
