import json
import random
from typing import Any

import pytest

from penstock.errors import StateError
from streams.host.duplicates import (
    MAX_RANGES,
    MAX_SESSIONS,
    STREAMS_PER_ROW,
    Duplicates,
    Verdict,
)


def stored(duplicates: Duplicates) -> list[Any]:
    return [one for row in duplicates.changes().values() for one in json.loads(row)]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_set_and_survives_storing(seed: int) -> None:
    chance = random.Random(seed)
    duplicates, seen = Duplicates(), set()
    rows: dict[str, bytes] = {}
    for _ in range(3000):
        key = (chance.choice("ab"), chance.choice("st"), chance.choice("xy"), chance.randrange(120))
        verdict = duplicates.add(*key)
        assert verdict is (Verdict.DUPLICATE if key in seen else Verdict.NEW)
        seen.add(key)
        if chance.random() < 0.02:
            rows |= duplicates.changes()
            assert duplicates.changes() == {}
            duplicates = Duplicates.restored(rows)


def test_neighbours_become_one_range() -> None:
    duplicates = Duplicates()
    for sequence in (0, 4, 2, 3, 1):
        duplicates.add("plc", "s", "press", sequence)
    assert stored(duplicates) == [["plc", "press", "s", 0, [0, 4]]]


def test_forgotten_ranges_are_too_old_to_judge() -> None:
    duplicates = Duplicates()
    for sequence in range(0, 2 * (MAX_RANGES + 1), 2):
        duplicates.add("plc", "s", "press", sequence)
    assert duplicates.add("plc", "s", "press", 0) is Verdict.TOO_OLD
    assert duplicates.add("plc", "s", "press", 2) is Verdict.DUPLICATE
    assert duplicates.add("plc", "s", "press", 3) is Verdict.NEW


def test_sessions_are_bounded_by_last_use() -> None:
    duplicates = Duplicates()
    for session in range(MAX_SESSIONS):
        duplicates.add("plc", str(session), "press", 0)
    duplicates.add("plc", "0", "press", 1)
    duplicates.add("plc", "new", "press", 0)
    kept = [row[2] for row in stored(duplicates)]
    assert "0" in kept
    assert "1" not in kept
    assert len(kept) == MAX_SESSIONS


def test_only_changed_rows_are_stored() -> None:
    duplicates = Duplicates()
    for asset in range(STREAMS_PER_ROW + 1):
        duplicates.add("plc", "s", str(asset), 0)
    assert duplicates.changes().keys() == {"0", "1"}
    duplicates.add("plc", "s", str(STREAMS_PER_ROW), 1)
    assert duplicates.changes().keys() == {"1"}
    with pytest.raises(StateError, match="reset"):
        Duplicates.restored({"0": b"{}}"})
