"""Objects that last are looked through once; what became garbage since goes at the next call."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from penstock.memory import collect_rarely


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Node:
    def __init__(self) -> None:
        self.me = self


def test_what_is_there_is_not_looked_through_again() -> None:
    collect_rarely()
    assert gc.get_freeze_count() > 1_000
    assert gc.get_count()[2] == 0


def test_a_connection_that_was_replaced_is_freed_at_the_next_call() -> None:
    node: Node | None = Node()
    gone = weakref.ref(node)
    collect_rarely()
    node = None
    gc.collect()
    assert gone() is not None  # in a cycle, and held to last
    collect_rarely()
    assert gone() is None
