"""Reads windows of anomalies, as the Numenta Anomaly Benchmark keeps them: JSON, by file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from penstock.errors import BacktestError

Window = tuple[int, int]
"""First and last microsecond."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_windows(path: Path, files: list[Path]) -> dict[Path, list[Window]]:
    """The windows of each file: of the key that the file's path ends with.

    Raises:
        BacktestError: The JSON cannot be read, or has nothing of a file.
    """
    try:
        known = json.loads(path.read_text("utf-8"))
        windows = {
            name: [(_time(first), _time(last)) for first, last in pairs]
            for name, pairs in known.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        msg = f"it holds no windows: {error}"
        remedy = 'write {"folder/file.csv": [["2013-12-10 06:25:00", "2013-12-12 05:35:00"]]}'
        raise BacktestError(msg, where=str(path), remedy=remedy) from error
    return {file: windows[_key(path, file, list(windows))] for file in files}


def _key(path: Path, file: Path, names: list[str]) -> str:
    fitting = [
        name for name in names if file.resolve().parts[-len(Path(name).parts) :] == Path(name).parts
    ]
    if not fitting:
        msg = f"it says nothing of {file}"
        raise BacktestError(msg, where=str(path), remedy=f"it knows {', '.join(names)}")
    return max(fitting, key=len)


def _time(text: str) -> int:
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - _EPOCH) // timedelta(microseconds=1)
