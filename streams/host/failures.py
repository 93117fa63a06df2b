"""Tells a processor that fails on everything from records that are at fault themselves."""

from typing import Final

from penstock.errors import ParkedError

WINDOW: Final = 100
"""Records that the share of failures is an (exponentially weighted) mean of."""
MOST: Final = 0.5
"""Share of records that may fail; above it the processor is at fault, not the record."""


class Failures:
    """The share of a partition's last records that an operator failed on.

    A record that alone makes an operator raise is a dead letter. An operator that raises on most of
    what it gets has a fault: all would become dead letters, so it is parked instead.
    """

    __slots__ = ("_share",)

    def __init__(self) -> None:
        self._share = 0.0

    def passed(self, records: int) -> None:
        """The operator took records."""
        if self._share:
            self._share *= (1 - 1 / WINDOW) ** records

    def failed(self, error: Exception, where: str) -> None:
        """The operator raised on one record.

        Raises:
            ParkedError: It does so on most records.

        >>> Failures().failed(ValueError("no"), "ot.sensors.v1[0]@7")
        """
        self._share += (1 - self._share) / WINDOW
        if self._share > MOST:
            msg = f"the operator fails on most records, last with {type(error).__name__}: {error}"
            raise ParkedError(
                msg, where=where, remedy="mend the processor, then resume it"
            ) from error
