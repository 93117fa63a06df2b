"""When an alarm begins and ends: k of the last n rows raise it, none of the last n ends it."""


class Alarm:
    """The alarm of one asset.

    Args:
        rows: k, counting rows that raise it.
        of: n, how many last rows are looked at.

    >>> alarm = Alarm(2, 3)
    >>> [alarm.take(time, counts) for time, counts in enumerate([1, 0, 1, 0, 0, 0])]
    [False, False, True, True, True, False]
    """

    def __init__(self, rows: int, of: int) -> None:
        self._rows, self._of = rows, of
        self._last: list[int] = []
        self.since: int | None = None
        """Time of the row that raised it; None: there is no alarm."""

    def take(self, time: int, counts: bool) -> bool:
        """Take a row; gives whether there is an alarm now."""
        self._last = [*self._last, int(counts)][-self._of :]
        counting = sum(self._last)
        if self.since is None and counting >= self._rows:
            self.since = time
        elif self.since is not None and not counting:
            self.since = None
        return self.since is not None

    def clear(self) -> None:
        """End it, and forget all rows."""
        self._last, self.since = [], None

    def dump(self) -> tuple[list[int], int | None]:
        """The state, for JSON."""
        return self._last, self.since

    def load(self, dumped: tuple[list[int], int | None]) -> None:
        """Become the alarm whose `dump` this is."""
        last, self.since = dumped
        self._last = list(last)
