"""Which partitions stand still, and why; told to people by status, log and metric."""

from collections.abc import Iterable

import structlog

from penstock.errors import PenstockError, StateError
from penstock.health import Status
from streams.host import metrics

_log = structlog.get_logger()


class Standing:
    """The partitions of this worker that stand still until a person does something.

    Args:
        processor: The label.
        status: What people are told.
    """

    def __init__(self, processor: str, status: Status) -> None:
        self._processor = processor
        self._status = status
        self._reasons: dict[int, str] = {}

    def __contains__(self, number: object) -> bool:
        return number in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, number: int, error: PenstockError) -> None:
        """A partition stands still; the others go on."""
        self._reasons[number] = str(error)
        metrics.PARKED.labels(self._processor, str(number)).set(1)
        self._status.ready = False
        if isinstance(error, StateError):
            self._status.fail(str(error))
        self._note()
        _log.error("parked", partition=number, error=str(error))

    def command(self, numbers: Iterable[int], reason: str) -> None:
        """All partitions stand still because a person wants it; that is no failure."""
        for number in numbers:
            self._reasons[number] = reason
            metrics.PARKED.labels(self._processor, str(number)).set(1)
        self._status.ready = False
        self._note()
        _log.warning("parked by command", partitions=sorted(self._reasons), reason=reason)

    def clear(self) -> None:
        """Nothing stands still any more, as far as is known."""
        for number in self._reasons:
            metrics.PARKED.labels(self._processor, str(number)).set(0)
        self._reasons.clear()
        self._status.failure = None
        self._note()

    def _note(self) -> None:
        self._status.note(parked={str(n): reason for n, reason in sorted(self._reasons.items())})
