"""What was killed during the run, when data flowed again, and what was lost or counted twice."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from penstock.demo.figures import WINDOWS, Row
from penstock.factory import BROKER
from penstock.factory.layout import LINES

NOTICE_SECONDS: Final = 1.0
"""A process that was killed just now may still be counted as flowing."""
SETTLED_SECONDS: Final = 15.0
"""After so long a sample is in the lake, its window closed, and that in the lake too."""
_SERVED: Final = {BROKER: next(line.plc for line in LINES if line.protocol == "mqtt")}
"""The source that stands still while something that is no source is away."""


@dataclass(slots=True)
class Incident:
    """Something was killed: when, and how long until data flowed again (seconds)."""

    what: str
    killed: float
    recovered: float | None = None

    def line(self, now: float) -> str:
        """For the view."""
        if self.recovered is None:
            return f"{self.what} killed {now - self.killed:.0f} s ago, not back yet"
        return f"{self.what} killed, data flowed again after {self.recovered:.1f} s"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the last check against the truth said; None before the first."""

    lost: int | None = None
    duplicates: int | None = None
    windows_wrong: int | None = None


class Incidents:
    """What was killed, in order.

    Args:
        check: Holds what settled against the truth; it runs in a thread of its own, some time
            after each recovery.
        monotonic: Seconds.
    """

    def __init__(
        self, check: Callable[[], Verdict], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.verdict = Verdict()
        self.all: list[Incident] = []
        self._check = check
        self._monotonic = monotonic
        self._check_at: float | None = None
        self._log = structlog.get_logger()

    @property
    def over(self) -> bool:
        """Whether data flows again after all of them."""
        return all(incident.recovered is not None for incident in self.all)

    def add(self, what: str) -> None:
        """Something was killed just now."""
        self.all.append(Incident(what, self._monotonic()))
        self._check_at = None

    def watch(self, rows: Sequence[Row]) -> None:
        """See what flows again, and check when that has settled; call it every second or so."""
        now = self._monotonic()
        for incident in self.all:
            since = now - incident.killed
            if incident.recovered is None and since > NOTICE_SECONDS and flows(incident.what, rows):
                incident.recovered = since
                self._check_at = now + SETTLED_SECONDS
        if self._check_at is not None and now >= self._check_at:
            self._check_at = None
            threading.Thread(target=self._look, name="check", daemon=True).start()

    def _look(self) -> None:
        try:
            self.verdict = self._check()
        except Exception:  # The check at the end tells; a traceback would land in the view.
            self._log.exception("the check during the run failed")


def flows(what: str, rows: Sequence[Row]) -> bool:
    """Whether every stage that the killed process stopped carries samples again."""
    if what == "broker":  # other processors and the sinks carry only now and then
        mine = [row for row in rows if row.component.role == "connector" or _counts(row)]
    elif what == "worker":
        mine = [row for row in rows if _counts(row)]
    else:
        served = f"connector-{_SERVED.get(what, what)}"
        mine = [row for row in rows if str(row.component) == served]
    return all(row.ready and row.samples_per_s > 0 for row in mine)


def _counts(row: Row) -> bool:
    return row.component == WINDOWS
