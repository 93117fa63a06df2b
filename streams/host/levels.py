"""How far in event time a partition has told of its streams: rows of its state, one for many.

They are the host's own, so that they can be read whatever became of the operator: who begins a new
epoch with other parameters has to know which windows the epoch before has told.
"""

import json
from collections.abc import Mapping
from typing import Final

from penstock.errors import StateError

Name = tuple[str, str]
"""Of a watermark, as the operator calls it: an asset and a source."""

_IN_A_ROW: Final = 256


class Levels:
    """The watermarks as they are stored.

    Args:
        stored: Rows that are there, by name.

    >>> levels = Levels({})
    >>> levels.changes({("press", "plc"): 7})
    {'0': b'[["press","plc",7]]'}
    >>> levels.changes({("press", "plc"): 7})
    {}
    """

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self._stored = load_levels(stored)

    def changes(self, watermarks: Mapping[Name, int]) -> dict[str, bytes]:
        """The rows that changed. What an operator no longer names stays as it was."""
        new = {name: level for name, level in watermarks.items() if self._stored.get(name) != level}
        if not new:
            return {}
        self._stored |= new
        names = list(self._stored)
        changed = sorted({place // _IN_A_ROW for place, name in enumerate(names) if name in new})
        return {str(row): self._row(names[row * _IN_A_ROW :][:_IN_A_ROW]) for row in changed}

    def _row(self, names: list[Name]) -> bytes:
        levels = [[*name, self._stored[name]] for name in names]
        return json.dumps(levels, separators=(",", ":")).encode()


def load_levels(rows: Mapping[str, bytes]) -> dict[Name, int]:
    """The watermarks in stored rows.

    Raises:
        StateError: They are damaged.
    """
    try:
        found = [one for name in sorted(rows, key=int) for one in json.loads(rows[name])]
        return {(asset, source): int(level) for asset, source, level in found}
    except (ValueError, TypeError) as error:
        msg = f"the stored watermarks cannot be read: {error!r}"
        raise StateError(msg, remedy="reset the processor") from error
