"""Where the evaluation data is, and where the servers that the tests reuse are."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "contract")]

DATA = "PENSTOCK_EVALUATION_DATA"


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of real series, which are not part of the project; without it, skip."""
    named = os.environ.get(DATA)
    if not named:
        pytest.skip(f"{DATA} names no folder with the evaluation data")
    if not Path(named).is_dir():
        pytest.skip(f"{DATA} is {named}, and there is no such folder")
    return Path(named).resolve()  # the parts of a plant run in folders of their own
