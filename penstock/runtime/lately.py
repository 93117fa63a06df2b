"""What was told within a minute, so that what repeats fills no log."""

from collections.abc import Hashable
from typing import Final

AGAIN_SECONDS: Final = 60.0
"""After it, the same is told again."""


class Lately:
    """Remembers what was told.

    Args:
        most: So many different things are told in that time; None: all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._told: dict[Hashable, float] = {}

    def is_new(self, what: Hashable, now: float) -> bool:
        """Whether something is to be told, which it then counts as; `now` in seconds."""
        known = {one: at for one, at in self._told.items() if now - at < AGAIN_SECONDS}
        new = what not in known and (self._most is None or len(known) < self._most)
        self._told = known | ({what: now} if new else {})
        return new
