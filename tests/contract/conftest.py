"""Finds the harnesses: every `*_harness.py` in this folder offers one as `HARNESS`."""

import importlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

HARNESSES = {
    path.stem.removesuffix("_harness"): importlib.import_module(path.stem).HARNESS
    for path in sorted(HERE.glob("*_harness.py"))
}


@pytest.fixture(params=sorted(HARNESSES))
async def device(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[object]:
    """A running server of each protocol in turn, with what a test wants to do to it."""
    harness = HARNESSES[request.param](tmp_path)
    await harness.start()
    try:
        yield harness
    finally:
        await harness.close()


@pytest.fixture
def harnesses() -> dict[str, type]:
    """All harnesses by the name that their connector is registered under."""
    return HARNESSES
